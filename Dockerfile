# The operator's image. With Docker: docker build -t streamjob-operator:VERSION .
# Without: make image
FROM debian:bookworm-slim AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*

FROM python AS tools
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv
# At the path of the final image, because scripts begin with the path of their interpreter.
RUN python3 -m venv /opt/streamjob

# The two secrets are optional: the settings and the certificate authority of a private package
# index. They are in no layer.
FROM tools AS dependencies
COPY requirements/operator.txt /requirements/operator.txt
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.crt,target=/run/ca.crt \
    /opt/streamjob/bin/pip install --no-cache-dir --require-hashes -r /requirements/operator.txt \
    && /opt/streamjob/bin/pip uninstall --yes setuptools pip

FROM tools AS wheel
COPY requirements/build.txt /requirements/build.txt
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.crt,target=/run/ca.crt \
    /opt/streamjob/bin/pip install --no-cache-dir --require-hashes -r /requirements/build.txt
COPY pyproject.toml README.md /source/
COPY operator /source/operator
RUN /opt/streamjob/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels /source \
    && /opt/streamjob/bin/pip install --no-deps --no-index --prefix /package /wheels/*.whl

FROM python
COPY --from=dependencies /opt/streamjob /opt/streamjob
COPY --from=wheel /package /opt/streamjob
# All bytecode is compiled already, and the root file system is meant to be read-only. Whatever
# user id a cluster gives the process, it has a name.
ENV USER=streamjob-operator \
    PATH=/opt/streamjob/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["streamjob-operator"]
