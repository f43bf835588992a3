"""The errors that one layer raises and another handles.

StreamJobError
├── InvalidSpec          the declared spec can't be carried out; the user has to edit it
├── KubernetesError      the API server did not do what was asked
│   ├── NotFound
│   ├── Conflict         somebody wrote in between: look again
│   ├── Rejected         the server will not take this object (invalid, forbidden, quota)
│   │   └── Foreign      somebody else's object has the name: it is left alone
│   └── Unavailable      no answer, too slow, too busy: time heals it
├── NotLeading           another operator may act now: this one must not
└── FlinkError           Flink's REST interface did not do what was asked
    ├── FlinkUnreachable no answer in time
    └── FlinkRejected    an answer that says no
"""


class StreamJobError(Exception):
    """The root of all errors that are expected here. The text is fit for a user's eyes."""


class InvalidSpec(StreamJobError):  # noqa: N818 - named as the warning's reason
    """The declared spec can't be carried out; the text says what to do."""


class KubernetesError(StreamJobError):
    """The API server did not do what was asked."""


class NotFound(KubernetesError):  # noqa: N818
    """The object is not there."""


class Conflict(KubernetesError):  # noqa: N818
    """Somebody else wrote in between."""


class Rejected(KubernetesError):  # noqa: N818
    """The server will not take this object: invalid, forbidden or over quota."""


class Foreign(Rejected):
    """Something of somebody else's stands where an object of the job is to be."""


class Unavailable(KubernetesError):  # noqa: N818
    """No answer, too slow or too busy."""


class NotLeading(StreamJobError):  # noqa: N818
    """The operator does not surely hold the lease: nothing was done, or it was cut off."""


class FlinkError(StreamJobError):
    """Flink's REST interface did not do what was asked."""


class FlinkUnreachable(FlinkError):  # noqa: N818
    """No answer in time."""


class FlinkRejected(FlinkError):  # noqa: N818
    """An answer that says no."""
