// Protects: the crontab of docs/cron.md works under a real cron daemon, and sends mail only if something went wrong.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { CronScripts, crontabsIn, instantOf } from '../support/cron-scripts.ts';
import { forEachTest } from '../support/fixture.ts';
import { FAKETIME_OPTIONS } from '../support/moved-clock.ts';
import { installed, lacking } from '../support/run/lacking.ts';
import { until } from '../support/until.ts';

/**
 * Mounts are this process's alone: cron finds our crontab and no other, keeps its pid file to itself, and hands mails to
 * our sendmail. The machine's own crontabs and cron are left alone. (unix_chkpwd: PAM asks it whether root may.)
 */
const SCRIPT = `
set -e
dir=$1
mount -t tmpfs none /run
mount --bind "$dir/spool" /var/spool/cron/crontabs
mount --bind "$dir/empty" /etc/cron.d
mount --bind /dev/null /etc/crontab
cp -p /usr/sbin/cron /usr/sbin/unix_chkpwd "$dir/sbin"
mount --bind "$dir/sbin" /usr/sbin
export LD_PRELOAD="$2" FAKETIME="$3" FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1 TZ=Europe/London
exec /usr/sbin/cron -f
`;

/** The real cron with one crontab, in a directory of its own. */
class RealCron {
  readonly #dir: string;
  #child: ChildProcess | null = null;
  #stderr = '';

  /** Throws `Lacking` where there is no cron, or this process may not mount in a namespace of its own. */
  constructor(dir: string) {
    installed('cron');
    if (spawnSync('unshare', ['-m', 'true']).status !== 0) throw lacking('it takes root to run a cron of our own');
    this.#dir = dir;
    for (const name of ['spool', 'empty', 'sbin', 'mails']) mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(join(dir, 'sbin/sendmail'), `#!/bin/sh\nexec cat >"${dir}/mails/$$"\n`, { mode: 0o755 });
  }

  /** Starts it with its clock at `at`. Commands have the same clock, and `settings` besides the crontab's own. */
  start(crontab: string, at: Date): void {
    const clock = `${at.getTime() > Date.now() ? '+' : ''}${Math.round((at.getTime() - Date.now()) / 1000)}s`;
    const library = installed('faketime');
    const kept = Object.entries(FAKETIME_OPTIONS).map(([name, value]) => `${name}=${value}`);
    const settings = [`LD_PRELOAD=${library}`, `FAKETIME=${clock}`, ...kept];
    writeFileSync(join(this.#dir, 'spool/root'), `${settings.join('\n')}\n${crontab}`, { mode: 0o600 });
    const child = spawn('unshare', ['-m', 'sh', '-c', SCRIPT, 'cron', this.#dir, library, clock], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.#child = child;
  }

  /** The mails that it has sent. Throws if it has ended. */
  mails(): readonly string[] {
    if (this.#child !== null && this.#child.exitCode !== null) throw new Error(`cron ended: ${this.#stderr}`);
    const dir = join(this.#dir, 'mails');
    return readdirSync(dir).map((name) => readable(readFileSync(join(dir, name), 'latin1')));
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.on('close', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

/** Quoted-printable as text. */
function readable(mail: string): string {
  const bytes = mail.replaceAll('=\n', '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/cron.md'), 'utf8');
/** Ten seconds before the line is due. */
const BEFORE = instantOf('2026-11-30 18:29:50', 'Europe/London');

describe('the crontab of docs/cron.md in a real cron daemon', () => {
  const [crontab] = crontabsIn(PAGE);
  if (crontab === undefined) throw new Error('docs/cron.md has no crontab');
  const scripts = forEachTest(() => new CronScripts(crontab, 'batchctl'));
  const cron = forEachTest(() => new RealCron(scripts.path('cron')));

  /** The page's crontab, unchanged, for the scripts in this directory. */
  const text = (): string => {
    const block = /^```crontab\n([\s\S]*?)^```$/m.exec(PAGE)?.[1] ?? '';
    return block.replaceAll('/srv/claims', scripts.path()).replace(/^PATH=.*$/m, `PATH=${scripts.env().PATH}`);
  };
  const firings = () =>
    existsSync(scripts.path('log/claims-2026-11.log')) ? scripts.read('log/claims-2026-11.log').match(/^== /gm) : null;

  it('runs the month at 18:30 on the last day, and sends no mail if it went well', async () => {
    scripts.write('in/claims-2026-11.csv', 'id,region,amount\n1,EU,2.50\n');
    cron.start(text(), BEFORE);
    await until('the report is there', () => cron.mails() && existsSync(scripts.path('out/claims-2026-11.html')));
    expect(scripts.read('out/claims-2026-11.csv')).to.equal('region,amount\nEU,2.50\n');
    expect(firings()).to.have.length(1);
    expect(cron.mails()).to.deep.equal([]);
  });

  it('mails the fix to MAILTO if it went wrong', async () => {
    scripts.write('in/claims-2026-11.csv', 'id,region,amount\n1,EU,2;50\n');
    cron.start(text(), BEFORE);
    const mail = await until('a mail', () => cron.mails().find((one) => one.includes('run-period.sh')));
    expect(mail)
      .to.match(/^To: month-end@example\.com$/m)
      .and.match(/^Subject: .*month-end\.sh last-day$/m);
    expect(mail).to.contain('not an amount: 1,EU,2;50').and.contain('batchctl retry key:claims-2026-11');
  });
});
