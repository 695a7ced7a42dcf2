/**
 * The first boot of every instance of a stack, which may be repeated. Every path is below `BATCHCTL_ROOT`, which is
 * empty on an instance. Variables before it hold what differs (`user-data.ts`); `boot` follows it, then `MAIN`.
 */
export const COMMON = `
ROOT=\${BATCHCTL_ROOT:-}
LOG=$ROOT/var/log/batchctl-boot.log
STATE=$ROOT/var/lib/batchctl
GIVE_UP=batchctl-give-up
# Seconds: a new role is not known everywhere at once, and a program that fails does so soon.
PATIENCE=\${BATCHCTL_TEST_BOOT_PATIENCE:-60}
SETTLE=\${BATCHCTL_TEST_BOOT_SETTLE:-5}
# Seconds for which an instance that can't run tries to end through its group, before it shuts down in any case.
RESPITE=\${BATCHCTL_TEST_BOOT_RESPITE:-3600}
ENDING=$((5 * PATIENCE))
# Seconds for a step of the boot, besides those of a setup script, and for one call of AWS.
STEP_LIMIT=\${BATCHCTL_TEST_BOOT_STEP:-1800}
CALL_LIMIT=\${BATCHCTL_TEST_BOOT_CALL:-300}
IMDS=\${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
export AWS_REGION=$REGION AWS_DEFAULT_REGION=$REGION AWS_PAGER=
export HOME=\${HOME:-/root}
umask 022

say() { echo "batchctl: $*"; }
# Without a route, a connection takes a minute to fail.
aws() { timeout --foreground -k 5 "$CALL_LIMIT" aws --cli-connect-timeout 10 "$@"; }
# Seconds since the machine started: its clock may be set during the boot.
uptime() { cut -d. -f1 /proc/uptime; }
# Records the current step, which a failed boot reports, and when it must have ended.
at() {
  echo $(($(uptime) + \${2:-$STEP_LIMIT})) >"$STATE/boot-until"
  echo "$1" >"$STATE/boot-step"
  say "$1"
}

# IMDSv2 (EC2: instance metadata). Never by a proxy.
meta() {
  local token
  token=$(curl -sf -m 5 --retry 5 --noproxy '*' -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "\${IMDS%/}/latest/api/token") || return
  curl -sf -m 5 --retry 5 --noproxy '*' -H "X-aws-ec2-metadata-token: $token" "\${IMDS%/}/latest/meta-data/$1"
}

# Amazon Linux and its kin have dnf; Debian and Ubuntu have apt-get, and other names for some packages.
if command -v dnf >/dev/null || ! command -v apt-get >/dev/null; then
  INSTALLER=dnf NODE_PACKAGE=nodejs22 AWS_PACKAGE=awscli-2
  are_installed() { rpm -q "$@" >/dev/null 2>&1; }
  install_now() { dnf install -y "$@"; }
else
  INSTALLER=apt-get NODE_PACKAGE=nodejs AWS_PACKAGE=awscli
  are_installed() {
    local found
    found=$(dpkg-query -W -f '\${db:Status-Status} ' "$@" 2>/dev/null) && [[ $found =~ ^(installed\\ )+$ ]]
  }
  # A new machine has no lists of packages, and upgrades itself at its first boot: that holds dpkg's lock for minutes.
  install_now() {
    apt-get update -q || return
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
  }
fi

install_packages() {
  if are_installed "$@"; then return 0; fi
  if ! command -v "$INSTALLER" >/dev/null; then
    say "this image has neither dnf nor apt-get to install $* with: name an image that has them"
    return 1
  fi
  local try
  for try in 1 2 3 4 5; do
    if install_now "$@"; then return 0; fi
    if [[ $try -lt 5 ]]; then sleep "$((try * PATIENCE / 10))"; fi
  done
  say "$INSTALLER could not install $*"
  return 1
}

# The first Node binary that is new enough. AL2023 names them apart (AL2023 guide: nodejs).
find_node() {
  local each
  for each in /usr/bin/node-22 /usr/bin/node-24 "$(command -v node || true)"; do
    if [[ -x $each && $("$each" --version) =~ ^v([0-9]+)[.]([0-9]+) ]] &&
      ((BASH_REMATCH[1] > 20 || (BASH_REMATCH[1] == 20 && BASH_REMATCH[2] >= 19))); then
      echo "$each"
      return 0
    fi
  done
  return 1
}

# Sets NODE.
need_node() {
  if NODE=$(find_node); then return 0; fi
  install_packages "$NODE_PACKAGE"
  if NODE=$(find_node); then return 0; fi
  say "the package $NODE_PACKAGE of this image is older than Node.js 20.19: name an image that has a newer one"
  return 1
}

# Fetches an object of the store into a file.
fetch() {
  local end=$((SECONDS + PATIENCE))
  until aws s3api get-object --bucket "$BUCKET" "\${OWNER[@]}" --key="$PREFIX$1" "$2" >/dev/null; do
    if [[ $SECONDS -ge $end ]]; then
      say "s3://$BUCKET/$PREFIX$1 could not be fetched"
      return 1
    fi
    sleep 2
  done
}

put() { aws s3api put-object --bucket "$BUCKET" "\${OWNER[@]}" "\${SSE[@]}" --key="$PREFIX$2" --body "$1" >/dev/null; }

# A file of the release, by its checksum.
fetch_file() {
  fetch "releases/$1-$2" "$3.part"
  if ! echo "$2  $3.part" | sha256sum -c --quiet; then
    say "releases/$1-$2 has another checksum: it is not used"
    return 1
  fi
  mv "$3.part" "$3"
}

# The program, by the checksum of its archive before compression, as gzip's own versions differ.
fetch_program() {
  PROGRAM=$ROOT/opt/batchctl/\${RELEASE:0:12}
  if [[ -e $PROGRAM/package.json ]]; then return 0; fi
  local archive=$STATE/bundle.tar found
  fetch "releases/$RELEASE.tar.gz" "$archive.gz"
  found=$(gzip -dc "$archive.gz" | tee "$archive" | sha256sum | cut -d' ' -f1) || true
  if [[ $found != "$RELEASE" ]]; then
    say "the bundle $RELEASE has the checksum $found: it is not used"
    return 1
  fi
  rm -rf "$PROGRAM.part" "$PROGRAM"
  mkdir -p "$PROGRAM.part"
  tar -xf "$archive" -C "$PROGRAM.part" --no-same-owner
  mv -T "$PROGRAM.part" "$PROGRAM"
  rm -f "$archive" "$archive.gz"
}

# Ends this instance when its program can't run: a unit of its own, which comes when the other has failed for good. Its
# limit ends an instance on which the script itself fails: that takes longer than RESPITE.
write_give_up() {
  local boot=$ROOT/opt/batchctl/boot
  mkdir -p "$ROOT/etc/systemd/system" "$ROOT/opt/batchctl"
  if ! [[ $0 -ef $boot ]]; then cp "$0" "$boot"; fi
  cat >"$ROOT/etc/systemd/system/$GIVE_UP.service" <<UNIT
[Unit]
Description=ends this instance: $UNIT can't run
StartLimitIntervalSec=4h
StartLimitBurst=90
StartLimitAction=poweroff

[Service]
Type=oneshot
TimeoutStartSec=15min
StandardOutput=journal+console
StandardError=inherit
ExecStart=/bin/bash $boot give-up
Restart=on-failure
RestartSec=60
UNIT
}

start_unit() {
  systemctl daemon-reload
  systemctl enable "$UNIT.service"
  systemctl start "$UNIT.service"
  sleep "$SETTLE"
  local state
  state=$(systemctl is-active "$UNIT.service") || true
  case $state in
    failed | activating)
      systemctl status --no-pager -n 50 "$UNIT.service" || true
      say "$UNIT does not run: it is $state"
      return 1
      ;;
  esac
}

# The newest marks of this group's boots, oldest first. No mark counts as a successful boot. Workers keep other
# things beside them. Fails where the bucket can't be read.
last_boots() {
  local listed
  listed=$(aws s3api list-objects-v2 --bucket "$BUCKET" "\${OWNER[@]}" --prefix="\${PREFIX}groups/$GROUP/boots/" --delimiter / \\
    --query 'Contents[].[LastModified,Key]' --output text 2>/dev/null) || return 1
  grep -E '[.](failed|booted|lifted)$' <<<"$listed" | sort | tail -n 3 || true
}

boot_failed() {
  local step
  step=$(cat "$STATE/boot-step" 2>/dev/null || echo start)
  printf '{"format":1,"what":"failed","instance":"%s","group":"%s","release":"%s","step":"%s","code":%d,"line":"%s"}\\n' \\
    "$INSTANCE" "$GROUP" "$RELEASE" "$step" "$1" "$LAST" >"$STATE/boot-mark"
  touch "$STATE/unmarked"
  mark_failed || true
  systemctl disable --now "$UNIT.service" >/dev/null 2>&1 || true
  leave || systemctl start --no-block "$GIVE_UP.service"
}

# Fails while the store takes no mark.
mark_failed() {
  if ! [[ -e $STATE/unmarked ]]; then return 0; fi
  [[ -n $INSTANCE ]] || return
  put "$STATE/boot-mark" "groups/$GROUP/boots/$INSTANCE.failed" || return
  rm -f "$STATE/unmarked"
}

did_boot_fail() { grep -qs '"what":"failed"' "$STATE/boot-mark"; }

# Sets INSTANCE. Fails while the instance's metadata does not answer.
identify() {
  INSTANCE=$(cat "$STATE/instance" 2>/dev/null) || INSTANCE=$(meta instance-id) || return
  echo "$INSTANCE" >"$STATE/instance"
}

# The program can't run: the boot failed, or the unit did for good. In that case no mark is left: it may be a service that
# was away for long. systemd repeats it until it succeeds; after RESPITE, the instance shuts down, even if it can reach
# nothing. Its group may replace it then, which costs what staying would, and works once the cause is gone.
give_up() {
  local since now
  if try_to_end; then
    rm -f "$STATE/giving-up"
    return 0
  fi
  now=$(uptime)
  since=$(cat "$STATE/giving-up" 2>/dev/null) || echo "\${since:=$now}" >"$STATE/giving-up"
  if [[ $((now - since)) -lt $RESPITE ]]; then
    say "it tries again in a minute, and shuts down in $(((RESPITE - now + since) / 60 + 1)) minutes at the latest"
    return 1
  fi
  say "$UNIT can't run, and this instance could not end through its group: it shuts down"
  systemctl poweroff
}

try_to_end() {
  local target
  if ! did_boot_fail && [[ $(systemctl is-active "$UNIT.service") == active ]]; then
    say "$UNIT runs again"
    return 0
  fi
  # Without a group there is no such answer. A person may have set this instance aside.
  if ! identify || ! target=$(meta autoscaling/target-lifecycle-state || meta instance-id >/dev/null); then
    say "$UNIT can't run, and the instance's metadata does not answer at $IMDS"
    return 1
  fi
  if [[ $target != InService ]] && ! { [[ -z $target ]] && did_boot_fail; }; then
    say "$UNIT can't run; this instance is to be \${target:-in no group}, and not ended here"
    return 0
  fi
  say "$UNIT can't run: this instance gives up. What it said last:"
  journalctl --no-pager -o cat -n 100 -u "$UNIT.service" || true
  sed -i 's/"instance":""/"instance":"'"$INSTANCE"'"/' "$STATE/boot-mark" 2>/dev/null
  put "$LOG" "workers/$INSTANCE/boot.log" || true
  mark_failed || true
  leave
}

# Whether the group may replace this instance: fails while that is unknown. STAYS: three replaced ones failed as well.
may_be_replaced() {
  local marks
  STAYS=
  if ! mark_failed || ! marks=$(last_boots); then
    say "s3://$BUCKET takes no mark of a failed boot: this instance stays for now, as its group would replace it at once"
    return 1
  fi
  if [[ $(grep -c '[.]failed$' <<<"$marks") -lt 3 ]]; then return 0; fi
  say "three boots in a row failed: this instance stays for now, and does nothing"
  STAYS=yes
}

# After a failed boot, shuts down an instance that can't end through its group: that terminates it (launch template), and
# the group replaces it, twice. After one that went well the failure may pass, and no mark would end the replacements.
shut_down() {
  say "this instance can't end itself: $1"
  did_boot_fail || return
  may_be_replaced || return
  [[ -z $STAYS ]] || return
  systemctl poweroff
}

# The role may not end this instance. Where it may make the group smaller, the group ends an instance that is not
# protected, usually this one.
shrink_group() {
  local sizes desired min
  aws autoscaling set-instance-protection --instance-ids "$INSTANCE" --auto-scaling-group-name "$SCALING_GROUP" \\
    --no-protected-from-scale-in 2>&1 || true
  sizes=$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names "$SCALING_GROUP" \\
    --query 'AutoScalingGroups[0].[DesiredCapacity,MinSize]' --output text) || return
  read -r desired min <<<"$sizes"
  [[ $desired -gt $min ]] || return
  aws autoscaling set-desired-capacity --auto-scaling-group-name "$SCALING_GROUP" --desired-capacity "$((desired - 1))"
}

# Ends this instance through its group, the group's size lowered by it. A group at its minimum replaces it, twice.
# Then this instance stays, for RESPITE, so that the group does not replace it again and again. It also stays while it
# can't read the marks in the bucket. Without the right to end itself (a new role may get it late), or a way to Auto
# Scaling, it shuts down. Fails if this instance stays.
leave() {
  [[ -n $INSTANCE ]] || return
  local how=--should-decrement-desired-capacity said soon=$((SECONDS + PATIENCE)) end=$((SECONDS + ENDING))
  until said=$(aws autoscaling terminate-instance-in-auto-scaling-group --instance-id "$INSTANCE" "$how" 2>&1); do
    say "$said"
    if [[ $said == *ValidationError* && $said =~ [Mm]in\\ ?[Ss]ize ]]; then
      may_be_replaced || return
      [[ -z $STAYS ]] || return
      how=--no-should-decrement-desired-capacity
    elif [[ $SECONDS -ge $soon && $said =~ AccessDenied|UnauthorizedOperation|not\\ authorized ]]; then
      if shrink_group; then
        say "the group is one smaller: this instance shuts down"
        systemctl poweroff
      else
        shut_down "its role may neither end it nor make its group smaller"
      fi
      return
    elif [[ $SECONDS -ge $end ]]; then
      shut_down "Auto Scaling does not accept it"
      return
    else
      sleep 5
    fi
  done
  say "this instance ends"
  if [[ -z $HOOK ]]; then return 0; fi
  # Nothing drains here: the hook need not wait.
  end=$((SECONDS + PATIENCE))
  until aws autoscaling complete-lifecycle-action --lifecycle-hook-name "$HOOK" --auto-scaling-group-name "$SCALING_GROUP" \\
    --instance-id "$INSTANCE" --lifecycle-action-result CONTINUE 2>/dev/null; do
    if [[ $SECONDS -ge $end ]]; then return 0; fi
    sleep 2
  done
}

boot_went_well() {
  if [[ $(last_boots | tail -n 1) != *.failed ]]; then return 0; fi
  printf '{"format":1,"what":"booted","instance":"%s","group":"%s","release":"%s"}\\n' "$INSTANCE" "$GROUP" "$RELEASE" >"$STATE/boot-mark"
  put "$STATE/boot-mark" "groups/$GROUP/boots/$INSTANCE.booted"
}
`;

/** Runs `boot` and reports how it went. A shutdown by the machine itself isn't a failure. */
export const MAIN = `
ended() {
  INSTANCE=$(cat "$STATE/instance" 2>/dev/null)
  LAST=$(grep -v '^[[:space:]]*$' "$LOG" | tail -n 1 | tr -cd '[:print:]' | sed 's/["\\\\]/./g' | cut -c1-300)
  if [[ $1 -eq 0 ]]; then say "$UNIT runs"; else say "the boot failed (exit code $1): $UNIT does not run"; fi
  if [[ -n $INSTANCE ]]; then put "$LOG" "workers/$INSTANCE/boot.log"; fi
  if [[ $1 -eq 0 ]]; then boot_went_well; else boot_failed "$1"; fi
}

# Ends the boot, with all that it started, once a step has taken too long: it may wait for a server that never answers.
end_late_step() {
  local until
  while sleep 1 && kill -0 $$; do
    until=$(cat "$STATE/boot-until")
    if [[ -z $until || $(uptime) -lt $until ]]; then continue; fi
    touch "$STATE/late"
    kill -TERM -- "-$BOOT"
    sleep 5
    kill -KILL -- "-$BOOT"
    return
  done
}

if [[ \${1:-} == give-up ]]; then
  set +e
  # systemd repeats it.
  ENDING=$PATIENCE
  give_up 2>&1 </dev/null | tee -a "$LOG"
  exit "\${PIPESTATUS[0]}"
fi

BOOT=
trap '[[ -z $BOOT ]] || kill -TERM -- "-$BOOT"; exit 143' TERM
mkdir -p "$STATE" "$ROOT/opt/batchctl" "$ROOT/var/log"
touch "$LOG"
chmod 0640 "$LOG"
# The console, and cloud-init's log, show it too. Processes that a setup leaves behind keep neither of them open.
tail -n 0 -s 0.2 -f --pid=$$ "$LOG" &
echo start >"$STATE/boot-step"
rm -f "$STATE/unmarked" "$STATE/boot-mark" "$STATE/instance" "$STATE/boot-until" "$STATE/late"
# The boot leads a process group of its own.
set +e -m
(
  set +m
  set -e
  at instance
  write_give_up
  if ! identify; then
    say "the instance's metadata does not answer at $IMDS"
    exit 1
  fi
  boot
) >>"$LOG" 2>&1 </dev/null &
BOOT=$!
set +m
end_late_step >/dev/null 2>&1 </dev/null &
wait "$BOOT" 2>/dev/null
code=$?
if [[ -e $STATE/late ]]; then
  wait $! 2>/dev/null
  say "the step $(cat "$STATE/boot-step") took too long: it is ended" >>"$LOG"
  code=124
else
  kill $! 2>/dev/null
fi
ended "$code" >>"$LOG" 2>&1 </dev/null
exit "$code"
`;
