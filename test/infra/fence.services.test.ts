// Protects: commands of a job can't reach the credentials of the instance that runs them.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { workerUserData } from '../../src/infra/user-data.ts';
import { COMMAND_IDS, commandId, MAX_COMMAND_SLOTS } from '../../src/model/command-ids.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { installed, requireRoot } from '../support/run/lacking.ts';

/** Without it, the fence has no rule for it. */
const HAS_IPV6 = existsSync('/proc/sys/net/ipv6');
const STAND_INS = join(import.meta.dirname, '../support/boot/bin');

/**
 * Runs `steps` in a network namespace that reaches another one, where 169.254.169.254 and fd00:ec2::254 answer: like an instance and its
 * metadata service. `ask` asks it at both addresses as root, `ask_as` as a user by id.
 */
const network = (steps: string): string => `
set -e
ip link set lo up
unshare -n sleep 60 & far=$!
trap 'kill $far' EXIT
until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link add name near0 type veth peer name far0 netns $far
ip addr add 10.0.0.1/24 dev near0
${HAS_IPV6 ? 'ip addr add fd00:1::1/64 dev near0 nodad' : ''}
ip link set near0 up
nsenter -t $far -n sh -c 'ip link set lo up && ip addr add 10.0.0.2/24 dev far0 && ip addr add 169.254.169.254/32 dev lo ${HAS_IPV6 ? '&& ip addr add fd00:1::2/64 dev far0 nodad && ip addr add fd00:ec2::254/128 dev lo nodad' : ''} && ip link set far0 up'
ip route add default via 10.0.0.2
${HAS_IPV6 ? 'ip -6 route add default via fd00:1::2' : ''}
nsenter -t $far -n "$NODE" -e 'require("http").createServer((q, a) => a.end("me")).listen(80)' & server=$!
trap 'kill $far $server' EXIT
at() { for host in 169.254.169.254 ${HAS_IPV6 ? "'[fd00:ec2::254]'" : ''}; do "$@" curl -s -m 2 --noproxy '*' "http://$host/" || printf refused; done; }
ask() { at env; }
until [ "$(ask)" = ${HAS_IPV6 ? 'meme' : 'me'} ]; do :; done
ask_as() { at setpriv --reuid $1 --regid 65534 --clear-groups; }
${steps}
`;

describe('the fence around the metadata of an instance', () => {
  const root = mkdtempSync(join(tmpdir(), 'batchctl-fence-'));
  after(() => rmSync(root, { recursive: true, force: true }));

  it('lets root pass, but no user of commands, even if it is set up twice', async () => {
    requireRoot('make a network of our own');
    installed('curl');
    const ip = installed('iproute2');
    const profile = await awsProfile();
    const release = { sha256: 'a'.repeat(64), setups: {}, ca: null };
    const [fence = ''] =
      /^fence\(\) \{\n.*?^ {2}"\$ROOT\/opt\/batchctl\/fence"\n\}$/ms.exec(
        workerUserData(profile, 'default', release),
      ) ?? [];
    expect(fence).to.include('useradd');
    mkdirSync(join(root, 'opt/batchctl'), { recursive: true });
    // Users are simulated; the kernel's rules are real.
    writeFileSync(
      join(root, 'put-up.sh'),
      `set -euo pipefail\nROOT=${root} COMMAND_USER=batchctl-task BATCHCTL_ROOT=${root}\nexport BATCHCTL_ROOT\n` +
        `id() { ${STAND_INS}/id "$@"; }\nuseradd() { ${STAND_INS}/useradd "$@"; }\n${fence}\nfence\n`,
    );
    const ids = [commandId(1, 0), commandId(4_194_303, MAX_COMMAND_SLOTS - 1)];
    expect(ids).to.deep.equal([COMMAND_IDS.first + MAX_COMMAND_SLOTS, COMMAND_IDS.last]);
    const steps = `echo "before: $(ask_as ${ids[0]})"
bash ${root}/put-up.sh
${root}/opt/batchctl/fence
echo "after: $(ask_as ${ids[0]}) $(ask_as ${ids[1]}), root: $(ask)"`;
    const { stdout, stderr } = spawnSync('unshare', ['-n', 'bash', '-c', network(steps)], {
      encoding: 'utf8',
      timeout: 250_000,
      env: { ...process.env, NODE: process.execPath, PATH: `${join(ip, '..')}:${process.env.PATH}` },
    });
    const [yes, no] = HAS_IPV6 ? ['meme', 'refusedrefused'] : ['me', 'refused'];
    expect(stdout.trim().split('\n'), stderr).to.deep.equal([`before: ${yes}`, `after: ${no} ${no}, root: ${yes}`]);
  });
});
