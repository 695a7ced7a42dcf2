# The manager and a worker as images, from the bundle with its own Node. Put one bundle beside this file first:
#   npm run build:bundle
#   docker build --target manager -t batchctl-manager .
#   docker build --target worker -t batchctl-worker .
# BASE: an image with glibc 2.28 or later, libstdc++, a shell and coreutils. Commands of jobs run in the worker's
# image: add what they need in an image FROM batchctl-worker. docs/manager.md says how to run both.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS program
ADD batchctl-*-linux-*.tar.gz /opt/
COPY build/healthy.mjs /opt/
RUN ln -s /opt/batchctl-*/batchctl /usr/bin/ \
  && echo 'batchctl:x:10001:10001::/var/lib/batchctl:/usr/sbin/nologin' >>/etc/passwd \
  && echo 'batchctl:x:10001:' >>/etc/group \
  && install -d -o 10001 -g 10001 -m 0700 /var/lib/batchctl
# As numbers, so that an orchestrator can tell that it isn't root.
USER 10001:10001
ENV HOME=/var/lib/batchctl
WORKDIR /var/lib/batchctl
VOLUME /var/lib/batchctl
STOPSIGNAL SIGTERM
ENTRYPOINT ["batchctl"]

FROM program AS worker
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s CMD exec /opt/batchctl-*/bin/node /opt/healthy.mjs worker
CMD ["worker"]

FROM program AS manager
ENV BATCHCTL_LISTEN=0.0.0.0:8787
EXPOSE 8787
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD exec /opt/batchctl-*/bin/node /opt/healthy.mjs manager
CMD ["manager"]
