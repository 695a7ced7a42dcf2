import { COMMAND_IDS } from '../../model/command-ids.ts';

export const WORKER = `
UNIT=batchctl-worker

# Commands run as users who do not reach the instance's metadata, and so have no role: the kernel finds no way there for
# packets of those users (ip-rule(8): uidrange; EC2: "Limit access to the Instance Metadata Service").
fence() {
  if ! id "$COMMAND_USER" >/dev/null 2>&1; then
    useradd --system --no-create-home --shell /usr/sbin/nologin "$COMMAND_USER"
  fi
  cat >"$ROOT/opt/batchctl/fence" <<FENCE
#!/bin/bash
# Keeps the users of commands from the instance's metadata. Run before each start of the worker.
set -euo pipefail
# A rule of protocol kernel is one that networkd leaves alone (networkd.conf(5): ManageForeignRoutingPolicyRules).
forbid() {
  local said
  if ! said=\\$(ip "\\$1" rule add priority 100 protocol kernel uidrange ${COMMAND_IDS.first}-${COMMAND_IDS.last} to "\\$2" prohibit 2>&1); then
    [[ \\$said == *'File exists'* ]] || { echo "\\$said" >&2; exit 1; }
  fi
}
forbid -4 169.254.169.254
if [[ -e /proc/sys/net/ipv6 ]]; then forbid -6 fd00:ec2::254; fi
FENCE
  chmod 0755 "$ROOT/opt/batchctl/fence"
  "$ROOT/opt/batchctl/fence"
}

# Runs once per instance, as root.
setup() {
  local script=$STATE/setup-\${SETUP:0:12} code=0
  if [[ -e $script.done ]]; then return 0; fi
  fetch_file setup "$SETUP" "$script"
  chmod 0700 "$script"
  (
    cd "$STATE"
    export BATCHCTL_GROUP=$GROUP BATCHCTL_STACK=$STACK
    setup_env
    exec timeout --kill-after=10 "$SETUP_SECONDS" "$script"
  ) || code=$?
  case $code in
    0) touch "$script.done" ;;
    124 | 137)
      say "the setup took longer than $SETUP_SECONDS s"
      return "$code"
      ;;
    *)
      say "the setup failed with exit code $code"
      return "$code"
      ;;
  esac
}

write_unit() {
  local before='' user=''
  if [[ -n $COMMAND_USER ]]; then
    before="ExecStartPre=$ROOT/opt/batchctl/fence"
    user="Environment=BATCHCTL_COMMAND_USER=$COMMAND_USER"
  fi
  mkdir -p "$ROOT/etc/systemd/system"
  printf '#!/bin/sh\\nexec %s poweroff\\n' "$(command -v systemctl)" >"$ROOT/opt/batchctl/power-off"
  chmod 0755 "$ROOT/opt/batchctl/power-off"
  cat >"$ROOT/etc/systemd/system/$UNIT.service" <<UNIT
[Unit]
Description=batchctl worker of group $GROUP, stack $STACK
Wants=network-online.target
After=network-online.target
OnFailure=$GIVE_UP.service
# Restarts for 15 minutes, in case a service is unreachable or a database fails over.
StartLimitIntervalSec=3600
StartLimitBurst=40

[Service]
$before
ExecStart=$NODE $PROGRAM/bin/batchctl.js worker --group $GROUP --profile $PROFILE
WorkingDirectory=$STATE
Environment=BATCHCTL_CONFIG=$ROOT/etc/batchctl/config.json
Environment=TMPDIR=$STATE/tmp
Environment=AWS_REGION=$REGION
# For a role that may not end this instance: a shutdown terminates it (launch template).
Environment=BATCHCTL_POWER_OFF=$ROOT/opt/batchctl/power-off
$user
EnvironmentFile=-$ROOT/etc/batchctl/environment
Restart=on-failure
RestartSec=20
# It left because of --max-failures: another start would undo that.
RestartPreventExitStatus=7
# The first SIGTERM drains. A spot instance has two minutes (EC2: spot instance termination notices).
KillMode=mixed
TimeoutStopSec=110
LimitNOFILE=65536
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
UNIT
}

boot() {
  at node
  need_node
  if ! command -v aws >/dev/null; then install_packages "$AWS_PACKAGE"; fi
  if [[ \${#PACKAGES[@]} -gt 0 ]]; then
    at packages
    install_packages "\${PACKAGES[@]}"
  fi
  at bundle
  fetch_program
  at config
  mkdir -p "$ROOT/etc/batchctl"
  chmod 0750 "$ROOT/etc/batchctl"
  write_config
  if [[ -n $CA ]]; then fetch_file ca "$CA" "$ROOT/etc/batchctl/ca.pem"; fi
  # Amazon Linux 2023 holds /tmp in memory; attempts work on the disk.
  mkdir -p "$STATE/tmp"
  chmod 1777 "$STATE/tmp"
  if [[ -n $COMMAND_USER ]]; then
    at user
    fence
  fi
  if [[ -n $SETUP ]]; then
    at setup "$((SETUP_SECONDS + STEP_LIMIT))"
    setup
  fi
  at start
  write_unit
  start_unit
}
`;
