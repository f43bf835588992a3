// Program kube is a whole Kubernetes in one file: every component of the test bed and kubectl.
// The first argument, or the name it is called by (a symbolic link "kubectl"), says which.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// A component takes the arguments after its name and returns the exit code of the process.
type component func(arguments []string) int

var components = map[string]component{
	"coredns": func(arguments []string) int {
		os.Args = append([]string{"coredns"}, arguments...)
		coremain.Run()
		return 0
	},
	"etcd": func(arguments []string) int {
		etcdmain.Main(append([]string{"etcd"}, arguments...))
		return 0
	},
	"kube-apiserver":          command(apiserver.NewAPIServerCommand),
	"kube-controller-manager": command(manager.NewControllerManagerCommand),
	"kube-proxy":              command(proxy.NewProxyCommand),
	"kube-scheduler":          command(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubelet": command(func() *cobra.Command {
		return kubelet.NewKubeletCommand(context.Background())
	}),
	"relay": relay,
	"kubectl": func(arguments []string) int {
		// kubectl looks for plugins in os.Args and explains its errors in a way of its own.
		os.Args = append([]string{"kubectl"}, arguments...)
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			util.CheckErr(err)
		}
		return 0
	},
}

func command(build func() *cobra.Command) component {
	return func(arguments []string) int {
		root := build()
		// Some components parse os.Args again for the flags of their logging.
		os.Args = append([]string{root.Name()}, arguments...)
		return cli.Run(root)
	}
}

func main() {
	name, arguments := filepath.Base(os.Args[0]), os.Args[1:]
	run, known := components[name]
	if !known && len(arguments) > 0 {
		run, known = components[arguments[0]]
		arguments = arguments[1:]
	}
	if !known {
		names := make([]string, 0, len(components))
		for each := range components {
			names = append(names, each)
		}
		slices.Sort(names)
		fmt.Fprintln(os.Stderr, "usage: kube COMPONENT [FLAGS]\ncomponents:", strings.Join(names, " "))
		os.Exit(2)
	}
	os.Exit(run(arguments))
}
