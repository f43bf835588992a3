import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.FileNotFoundException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.concurrent.Callable;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;
import org.apache.flink.core.plugin.PluginUtils;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.security.SecurityConfiguration;
import org.apache.flink.runtime.security.SecurityUtils;

/**
 * Finds the newest complete checkpoint or savepoint of a Flink job, by Flink's own file systems.
 *
 * <p>Arguments: the file to write to, the checkpoint directory of the Flink job (with chk-*), and
 * any number of savepoint target directories (with savepoint-*). It writes one JSON object: newest
 * (path, id, at in milliseconds of the epoch, savepoint), missing (directories that do not exist)
 * and unreadable (states that are complete but not whole), or only problem, with exit code 1.
 *
 * <p>Compiled by Janino, which comes with Flink: Flink's image holds no javac.
 */
public class StateInspector {

    /** Kubernetes cuts termination messages at 4096 bytes; cut JSON says nothing. */
    private static final int LONGEST = 4000;

    private String newest = null;
    private long newestId = -1;
    private long newestAt = -1;
    private StringBuilder missing = new StringBuilder();
    private StringBuilder unreadable = new StringBuilder();

    public static void main(String[] args) throws Exception {
        String answer;
        int code = 0;
        try {
            answer = answerOf(args);
        } catch (Throwable failure) {
            failure.printStackTrace();
            answer = "{\"problem\":" + quoted(told(failure)) + "}";
            code = 1;
        }
        Files.write(Paths.get(args[0], new String[0]), answer.getBytes(StandardCharsets.UTF_8));
        System.exit(code);
    }

    private static String answerOf(final String[] args) throws Exception {
        Configuration configuration = GlobalConfiguration.loadConfiguration();
        FileSystem.initialize(
                configuration, PluginUtils.createPluginManagerFromRootFolder(configuration));
        SecurityUtils.install(new SecurityConfiguration(configuration));
        return (String) SecurityUtils.getInstalledContext().runSecured(new Callable() {
            public Object call() throws Exception {
                StateInspector inspector = new StateInspector();
                inspector.lookInto(args[1], "chk-");
                for (int i = 2; i < args.length; i++) {
                    inspector.lookInto(args[i], "savepoint-");
                }
                return inspector.json();
            }
        });
    }

    private void lookInto(String directory, String prefix) throws Exception {
        Path path = new Path(directory);
        FileSystem files = path.getFileSystem();
        FileStatus[] children = null;
        if (files.exists(path)) {
            children = files.listStatus(path);
        }
        if (children == null) {
            add(missing, directory);
            return;
        }
        for (int i = 0; i < children.length; i++) {
            Path child = children[i].getPath();
            if (child.getName().startsWith(prefix)) {
                consider(files, child, prefix.equals("savepoint-"));
            }
        }
    }

    private void consider(FileSystem files, Path directory, boolean savepoint) throws Exception {
        Path metadata = new Path(directory, "_metadata");
        byte[] content;
        long at;
        try {
            at = files.getFileStatus(metadata).getModificationTime();
            content = contentOf(files, metadata);
        } catch (FileNotFoundException incompleteOrJustRemoved) {
            return;
        }
        long id;
        try {
            // Whatever fails here is what was written: storage that fails to answer has thrown above.
            id = Checkpoints.loadCheckpointMetadata(
                            new DataInputStream(new ByteArrayInputStream(content)),
                            StateInspector.class.getClassLoader(),
                            directory.toString())
                    .getCheckpointId();
        } catch (Exception damaged) {
            System.err.println("unreadable: " + directory + ": " + damaged);
            add(unreadable, directory.toString());
            return;
        }
        if (id > newestId || (id == newestId && at > newestAt)) {
            newestId = id;
            newestAt = at;
            newest = "{\"path\":" + quoted(directory.toString()) + ",\"id\":" + id
                    + ",\"at\":" + at + ",\"savepoint\":" + savepoint + "}";
        }
    }

    private static byte[] contentOf(FileSystem files, Path path) throws Exception {
        InputStream input = files.open(path);
        try {
            ByteArrayOutputStream content = new ByteArrayOutputStream();
            byte[] buffer = new byte[65536];
            int length = input.read(buffer);
            while (length >= 0) {
                content.write(buffer, 0, length);
                length = input.read(buffer);
            }
            return content.toByteArray();
        } finally {
            input.close();
        }
    }

    private String json() {
        String answer = "{\"newest\":" + newest + ",\"missing\":[" + missing + "],\"unreadable\":["
                + unreadable + "]}";
        if (answer.getBytes(StandardCharsets.UTF_8).length > LONGEST) {
            throw new IllegalStateException("the names of the directories are too long to be told");
        }
        return answer;
    }

    private static void add(StringBuilder list, String directory) {
        list.append(list.length() == 0 ? "" : ",").append(quoted(directory));
    }

    /** The failure and its root cause: either may be the one that helps. */
    private static String told(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null && cause.getCause() != cause) {
            cause = cause.getCause();
        }
        String first = cause == failure ? "" : cut(String.valueOf(failure.getMessage()), 240) + "; ";
        return first + cause.getClass().getSimpleName() + ": " + cut(cause.getMessage(), 1000);
    }

    private static String cut(String text, int limit) {
        return text == null || text.length() <= limit ? text : text.substring(0, limit) + "...";
    }

    private static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < ' ') {
                json.append(' ');
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }
}
