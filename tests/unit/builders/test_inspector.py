"""The pod that looks into a run's storage, compared with files as the run's other objects are."""

from __future__ import annotations

import pytest

from streamjob_operator.api.constants import MAIN_CONTAINER
from streamjob_operator.api.run import RunSpec
from streamjob_operator.api.spec import Sql
from streamjob_operator.builders.inspector import inspector_pod
from streamjob_operator.builders.metadata import owner_reference
from streamjob_operator.builders.pods import jobmanager_deployment
from tests.unit.builders import records
from tests.unit.builders.test_golden import compare

pytestmark = pytest.mark.unit

TARGETS = ("s3://bucket/jobs/cql-1/savepoints/svp-1", "s3://bucket/jobs/cql-1/savepoints/svp-$(A)")


def test_the_pod_of_the_inspector() -> None:
    run = records.sql_pod_templates()
    pod = inspector_pod(run, owner_reference(run.job), 1, TARGETS)
    compare("inspector", (pod,))


def test_a_trust_store_of_the_user_is_used_and_other_java_options_are_not() -> None:
    options = {"env.java.opts.all": "-Xmx9g '-Djavax.net.ssl.trustStore=/a b'"}
    run = records.record(RunSpec(sql=Sql(), flink_configuration=options))
    arguments = inspector_pod(run, {}, 1, ())["spec"]["containers"][0]["args"]
    assert "-Djavax.net.ssl.trustStore=/a b" in arguments
    assert not [it for it in arguments if it.startswith("-Xmx")]


def test_it_reaches_the_storage_with_all_that_the_jobmanager_reaches_it_with() -> None:
    run = records.sql_pod_templates()
    pod = inspector_pod(run, {}, 1, ())["spec"]
    jobmanager = jobmanager_deployment(run, {})["spec"]["template"]["spec"]
    main = next(it for it in jobmanager["containers"] if it["name"] == MAIN_CONTAINER)
    (inspector,) = pod["containers"]
    for key in ("serviceAccountName", "securityContext", "initContainers", "nodeSelector"):
        assert pod[key] == jobmanager[key]
    for key in ("image", "envFrom", "securityContext"):
        assert inspector[key] == main[key]
    assert [it for it in main["env"] if it not in inspector["env"]] == []
    assert [it for it in main["volumeMounts"] if it not in inspector["volumeMounts"]] == []
    assert [it for it in jobmanager["volumes"] if it not in pod["volumes"]] == []
