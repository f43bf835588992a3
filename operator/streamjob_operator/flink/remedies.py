"""From a root cause to what its reader can do, and whether time alone can help.

A table, read from the top; the first row that fits decides. What only an edit of the resource mends
is not tried again by itself, nor are refused logins: repeated, they lock accounts. Whatever can be
mended outside the resource (storage, brokers, room) is tried again, a bounded number of times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from streamjob_operator.flink.models import Failure


@dataclass(frozen=True)
class Remedy:
    """What to do about a failure."""

    heals_by_time: bool
    """The same thing may succeed when it is tried again, with nothing edited."""
    text: str
    """For a reader who is new to all this: names fields of the spec and commands."""


@dataclass(frozen=True)
class _Row:
    """One row: how the cause reads, and the remedy, which may quote what the pattern found."""

    cause: re.Pattern[str]
    heals_by_time: bool
    remedy: str


def _edit(cause: str, remedy: str) -> _Row:
    """A cause that only an edit mends."""
    return _Row(re.compile(cause), heals_by_time=False, remedy=remedy)


def _time(cause: str, remedy: str) -> _Row:
    """A cause that may be gone when the same thing is tried again."""
    return _Row(re.compile(cause), heals_by_time=True, remedy=remedy)


_TABLE: Final = (
    # The script: Flink's planner and parser.
    _edit(
        r"Object '([^']*)' not found",
        r"Correct the name '\1' in the script, or create the table before the statement that uses"
        r" it; names are case-sensitive.",
    ),
    _edit(
        r"Column '([^']*)' not found",
        r"Correct the column name '\1' in the script, or add the column to the table's CREATE.",
    ),
    _edit(
        r"No match found for function signature (\w+)",
        r"Correct the call of \1 in the script; for a function of your own, add its jar to"
        r" spec.libraries and register it with CREATE TEMPORARY SYSTEM FUNCTION.",
    ),
    _edit(
        r"Could not find any format factory for identifier '([^']*)'",
        r"Add the jar of the format '\1' to spec.libraries, or set spec.image to an image that"
        r" holds it in /opt/flink/lib.",
    ),
    _edit(
        r"Could not find any factory for identifier '([^']*)'",
        r"Add the jar of the connector '\1' for your Flink version to spec.libraries, or set"
        r" spec.image to an image that holds it in /opt/flink/lib.",
    ),
    _edit(
        r"Unsupported options",
        r"Remove the option that is named from the table's WITH, or correct its spelling.",
    ),
    _edit(
        r"[Rr]equired options are missing|[Mm]issing required options",
        r"Add the option that is named to the table's WITH.",
    ),
    _edit(
        r"Could not parse value .* for key '([^']*)'",
        r"Correct the value of '\1': in the table's WITH, in a SET of the script, or in"
        r" spec.flinkConfiguration.",
    ),
    _edit(
        r"Column types of query result and sink",
        r"Make the columns of the SELECT match those of the sink table in number, order and type;"
        r" CAST(... AS ...) converts.",
    ),
    _edit(
        r"Job has already been submitted|DuplicateJobSubmissionException",
        r"One StreamJob runs one pipeline: put several INSERTs between EXECUTE STATEMENT SET BEGIN"
        r" and END; or into a StreamJob each.",
    ),
    _edit(
        r"SQL parse failed|Sql?Parse|Encountered \"|SQL validation failed",
        r"Correct the script at the line and column that are named, then apply it again.",
    ),
    # File systems: of jars, snapshots and storage alike.
    _edit(
        r"file system implementation for scheme '([^']*)'",
        r"Load Flink's plugin for \1:// in both pods: in spec.podTemplate set the environment"
        r" variable ENABLE_BUILT_IN_PLUGINS of flink-main-container (for S3:"
        r" flink-s3-fs-hadoop-<version>.jar), or use an image with the plugin.",
    ),
    # The jar and its classes.
    _edit(
        r"entry point class .* was not found|does not have a main|provided job class|"
        r"entry point class .* must be",
        r"Set spec.jar.mainClass to the full name of a class in the jar that has"
        r" `public static void main(String[])`.",
    ),
    _edit(
        r"Neither a '?Main-Class'?|no program class|No jobs? class|find the.*entry class",
        r"Set spec.jar.mainClass: the jar's manifest names no main class.",
    ),
    _edit(
        r"UnsupportedClassVersionError",
        r"Compile the jar for the Java version of the Flink image (`javac --release 11` runs"
        r" everywhere), or set spec.image to an image with a newer Java.",
    ),
    _edit(
        r"(?:jar could not be fetched|jar or artifact resource).*"
        r"(?:FileNotFound|NoSuchFile|not found|No such file|404)|JAR file does not exist",
        r"Correct the address of the jar in spec.jar.uri, spec.libraries or ADD JAR. local:// and"
        r" file:// are paths inside the pods: put the file into the image, or mount a volume with"
        r" spec.podTemplate.",
    ),
    _edit(
        r"[Jj]ar could not be fetched.*(?:code: 40[13]|disabled|MalformedURL|"
        r"IllegalArgument)",
        r"Give in spec.jar.uri and spec.libraries addresses that the job's pods may read without"
        r" a login: https://, local://, or s3:// with the pods' own credentials.",
    ),
    _time(
        r"jar could not be fetched",
        r"Check that the job's pods reach the server in spec.jar.uri and spec.libraries.",
    ),
    _edit(
        r"Error while opening jar file|ZipException|zip END header|error in opening zip file",
        r"Check that spec.jar.uri and spec.libraries lead to jar files and not to a web page.",
    ),
    _edit(
        r"ClassNotFoundException|NoClassDefFoundError|NoSuchMethodError",
        r"Add the jar that holds the class to spec.libraries, in the version that fits the job's"
        r" Flink version, or build it into your own jar.",
    ),
    # Snapshots.
    _edit(
        r"Cannot find (?:checkpoint or savepoint|meta ?data) file",
        r"Check that the snapshot still lies at this path and that the pods reach it. Then name"
        r" another one of status.snapshots in spec.restore.snapshot, or set desiredState to"
        r" Stopped and then to Running to start without state.",
    ),
    _edit(
        r"Unexpected magic number|snapshot could not be restored: (?:EOF|IO|UTFDataFormat)",
        r"The snapshot is damaged. Name another one of status.snapshots in spec.restore.snapshot,"
        r" or set desiredState to Stopped and then to Running to start without state.",
    ),
    _edit(
        r"allowNonRestoredState|Cannot map (?:checkpoint|savepoint)",
        r"The snapshot holds state of an operator that the job no longer has. Undo the edit, or"
        r" set spec.restore.allowNonRestoredState to true to drop that state.",
    ),
    _edit(
        r"StateMigrationException|must not be incompatible|state backend.*incompatible",
        r"The edited job can't read the old state: its types changed. Undo the edit, or set"
        r" spec.upgrade.mode to Stateless to start without the old state.",
    ),
    _edit(
        r"[Mm]ax(?:imum)? parallelism",
        r"Keep spec.parallelism at or below the job's maximum parallelism, which is fixed when its"
        r" state is first written.",
    ),
    # Storage.
    _time(
        r"No space left on device|Disk quota exceeded|QuotaExceeded",
        r"Free space on the volume behind spec.storage.uri, or on the node, or enlarge it.",
    ),
    _time(
        r"does not exist or the user running Flink|File [^ ]* does not exist",
        r"Mount what the job reads into both pods with spec.podTemplate, and let Flink's user"
        r" (uid 9999 in the official image) read it.",
    ),
    _time(
        r"bucket does not exist|NoSuchBucket|UnknownStoreException",
        r"Create the bucket, or correct spec.storage.uri.",
    ),
    _time(
        r"InvalidAccessKeyId|SignatureDoesNotMatch|No AWS Credentials|Access ?Denied|"
        r"Unable to load credentials|Status Code: 403",
        r"Give both pods credentials that may read and write spec.storage.uri: as environment"
        r" variables from a Secret, in spec.podTemplate.",
    ),
    _time(
        r"Permission denied|insufficient permissions|AccessDenied|Read-only file system|"
        r"[Mm]kdirs? failed|Failed to create (?:a )?(?:savepoint )?directory|"
        r"Could not create (?:the )?(?:directory|checkpoint)|Failed to create checkpoint storage|"
        r"isn't accessible",
        r"Let Flink's user (uid 9999 in the official image) write below spec.storage.uri: for a"
        r" volume, set securityContext.fsGroup in spec.podTemplate or mend the directory's owner.",
    ),
    # Kafka.
    _edit(
        r"OffsetOutOfRange|is out of range for partition",
        r"Kafka no longer has the saved offsets. Set desiredState to Stopped and then to Running"
        r" with spec.startFrom.position Earliest, or set spec.restore.onExpiredOffsets to Skip to"
        r" go on with what is left.",
    ),
    _edit(
        r"NoOffsetForPartition|Undefined offset with no reset policy",
        r"A Kafka source has no saved offset to start from. Set desiredState to Stopped and then"
        r" to Running with spec.startFrom.position Earliest or Latest.",
    ),
    _edit(
        r"transaction timeout is larger than the maximum",
        r"Add 'properties.transaction.timeout.ms'='600000' to the WITH of the Kafka sink: the"
        r" broker allows no more than its transaction.max.timeout.ms (15 minutes by default).",
    ),
    _edit(
        r"Authentication failed|AuthenticationException|SSLHandshake|SslAuth|"
        r"PKIX path building failed",
        r"Correct user, password or certificates of the connection in the Secret, then apply the"
        r" job with a new spec.restartNonce.",
    ),
    _edit(
        r"AuthorizationException|Not authorized to access",
        r"Give the user the right to this topic or group in Kafka, then apply the job with a new"
        r" spec.restartNonce.",
    ),
    _time(
        r"UnknownTopicOrPartition|does not host this topic-partition|Topic .* not present",
        r"Create the topic, or correct its name in the script.",
    ),
    _time(
        r"No resolvable bootstrap urls",
        r"Correct 'properties.bootstrap.servers': the job's pods can't resolve the host names.",
    ),
    _time(
        r"waiting for a node assignment|Failed to update metadata|fetching topic metadata|"
        r"Bootstrap broker|Failed to construct kafka",
        r"Check 'properties.bootstrap.servers', and that the job's pods reach the Kafka brokers"
        r" (host, port, network policies).",
    ),
    # Resources.
    _time(
        r"NoResourceAvailable|Could not acquire the minimum required resources|not fulfillable",
        r"The TaskManagers did not all come up: see `kubectl describe pods` of the job. Make room"
        r" on the nodes, or lower spec.parallelism or spec.resources.",
    ),
    _time(
        r"OutOfMemoryError|Direct buffer memory|GC overhead|Insufficient number of network buffers",
        r"Raise spec.resources.taskManager.cu (or jobManager.cu, if that is the pod that failed).",
    ),
    _edit(
        r"Could not create the Java Virtual Machine|IllegalConfigurationException|"
        r"Total (?:Flink|Process) Memory|initial heap size|Could not reserve enough space",
        r"Correct spec.flinkConfiguration, or raise spec.resources until Flink's memory fits.",
    ),
    _time(
        r"KubernetesClientException|LeaderElection",
        r"Flink could not use the Kubernetes API: check network policies, and that the job's Role"
        r" and RoleBinding are there.",
    ),
    # Savepoints and running jobs.
    _time(
        r"[Cc]heckpoint expired before completing",
        r"Give the snapshot more time with spec.pause.timeout, and look for back pressure in"
        r" Flink's web interface.",
    ),
    _time(
        r"not being executed at the moment|[Nn]ot all required tasks are currently running|"
        r"FailoverRegion is restarting|Some tasks of the job have already finished",
        r"Wait until every task of the job runs; it is tried again by then.",
    ),
    _edit(
        r"No operators defined in streaming topology|[Nn]o jobs? included",
        r"The program builds no pipeline: end its main() with env.execute().",
    ),
    _time(
        r"Connection refused|UnknownHost|Name or service not known|NoRouteToHost|timed out|"
        r"TimeoutException|ConnectException",
        r"Check that what the job connects to is up and that the job's pods reach it (host, port,"
        r" network policies).",
    ),
)

_PROGRAM: Final = Remedy(
    heals_by_time=False,
    text="Mend the program or the script and apply it; where the resource stays the same (a new jar"
    " at the old address), set a new spec.restartNonce.",
)
_ANYTHING: Final = Remedy(
    heals_by_time=True,
    text="If it does not pass, look into the logs of the job's pods:"
    " `kubectl logs -l streamjob.dev/job=NAME -c flink-main-container`.",
)


def remedy_for(failure: Failure) -> Remedy:
    """What to do about a failure, and whether time alone can heal it.

    A cause that no row names is the program's own where it came before the job was submitted, and
    may pass where it came while the job ran.
    """
    cause = f"{failure.exception}: {failure.message}"
    for row in _TABLE:
        found = row.cause.search(cause)
        if found is not None:
            return Remedy(row.heals_by_time, found.expand(row.remedy))
    return _PROGRAM if failure.in_program else _ANYTHING
