export const MANAGER = `
UNIT=batchctl-manager

# EC2 frees the address when its instance ends. Until then, that instance keeps it: associating anew would take it from
# a manager that lives (EC2: AssociateAddress, AllowReassociation).
take_address() {
  local holder said last=''
  while :; do
    holder=$(aws ec2 describe-addresses --allocation-ids "$ADDRESS" --query 'Addresses[0].InstanceId' --output text) || holder='?'
    if [[ $holder == "$INSTANCE" ]]; then return 0; fi
    if said=$(aws ec2 associate-address --allocation-id "$ADDRESS" --instance-id "$INSTANCE" --no-allow-reassociation 2>&1); then return 0; fi
    if [[ $holder != "$last" ]]; then say "waiting for the address $ADDRESS, which $holder has: $said"; fi
    last=$holder
    sleep "$((PATIENCE / 4 + 1))"
  done
}

write_unit() {
  mkdir -p "$ROOT/etc/systemd/system"
  cat >"$ROOT/etc/systemd/system/$UNIT.service" <<UNIT
[Unit]
Description=batchctl manager of stack $STACK
Wants=network-online.target
After=network-online.target
OnFailure=$GIVE_UP.service
# Restarts for 15 minutes, in case a service is unreachable or a database fails over.
StartLimitIntervalSec=3600
StartLimitBurst=40

[Service]
ExecStart=$NODE $PROGRAM/bin/batchctl.js manager --profile $PROFILE
WorkingDirectory=$STATE
Environment=BATCHCTL_CONFIG=$ROOT/etc/batchctl/config.json
Environment=TMPDIR=$ROOT/var/tmp
Environment=AWS_REGION=$REGION
EnvironmentFile=-$ROOT/etc/batchctl/environment
Restart=on-failure
RestartSec=20
KillMode=mixed
TimeoutStopSec=110
LimitNOFILE=65536
# It stores nothing on disk, and needs one privilege: to listen at port 443 (systemd.exec).
DynamicUser=yes
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
UNIT
}

boot() {
  at node
  need_node
  if ! command -v aws >/dev/null; then install_packages "$AWS_PACKAGE"; fi
  # First, because open connections break when the address changes. No limit: another manager may have it for years.
  at address 2000000000
  take_address
  at bundle
  fetch_program
  at config
  # Its user reads the configuration, which contains no secrets. An environment file is systemd's to read: mode 0600.
  mkdir -p "$ROOT/etc/batchctl" "$ROOT/var/tmp"
  chmod 0755 "$ROOT/etc/batchctl"
  write_config
  if [[ -n $CA ]]; then fetch_file ca "$CA" "$ROOT/etc/batchctl/ca.pem"; fi
  at start
  write_unit
  start_unit
}
`;
