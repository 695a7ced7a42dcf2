import { resolve } from 'node:path';
import type { Config } from '../../config/load-config.ts';
import { BatchctlError } from '../../errors.ts';
import { killPoints } from '../../lib/kill-point.ts';
import { isEc2 } from '../../lib/this-machine.ts';
import { wholeNumberParser } from '../../lib/units.ts';
import type { SignInCode } from '../../manager/http/sign-in.ts';
import type { Log } from '../../manager/log.ts';
import { isLoopback } from '../../manager/tls/open-tls.ts';
import type { Platform } from '../../ports/platform.ts';
import type { ManagerHost } from '../../verbs/verb-runner.ts';
import { type CommandDefinition, type CommandInput, type CommandTable, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { openImpatientPlatform } from '../in-process.ts';
import { print } from '../render.ts';
import { oneLine } from '../terminal-text.ts';
import { verbHelp } from '../verb-help.ts';

const OPTIONS = {
  '--listen <address>': parsed(
    'address to listen on, HOST:PORT (default: BATCHCTL_LISTEN, or else 127.0.0.1:8787; 0.0.0.0:443 on EC2)',
    parseListen,
  ),
  '--workers <n>': parsed(
    'local profile: keep this many workers of the default group running, like scale; they keep running when the manager stops',
    wholeNumberParser(0),
  ),
  '--tls-cert <file>': 'TLS certificate with its intermediate certificates (PEM); reloaded when it changes',
  '--tls-key <file>': 'key of the TLS certificate (PEM)',
};

type ManagerInput = CommandInput<typeof OPTIONS>;

export function managerCommand(ctx: Context, table: CommandTable): CommandDefinition {
  return defineCommand({
    options: OPTIONS,
    writes: true,
    output: null,
    help: {
      about:
        'Runs the job manager: the commands as an API, the dashboard, and a loop that fires schedules, looks after open jobs, sizes groups and delivers outputs. It is stateless: run any number of managers, alongside tick, on any hosts. On the first SIGTERM or Ctrl-C it waits up to a minute for running requests; the second stops it at once. It logs to stderr, one line per event, as JSON Lines with --json.',
      examples: ['batchctl manager --workers 2', 'batchctl manager --listen 127.0.0.1:9000 --json'],
      exitCodes: {
        0: 'stopped on request',
        3: 'no profile is selected, or the certificate is unusable',
        8: "it can't listen at the address, or it hung; start it again",
      },
      related: ['tick', 'schedule add', 'scale', 'worker', 'infra up'],
    },
    run: (input) => manager(ctx, table, input),
  });
}

/** A loop without activity for this many milliseconds counts as hung: six times its longest wait for a service. */
const HANG_MS = 300_000;

async function manager(ctx: Context, table: CommandTable, input: ManagerInput): Promise<void> {
  const { listen, workers } = input;
  const config = await ctx.config();
  requireLocalForWorkers(config, workers);
  const certificate = certificateFiles(ctx, input);
  const platform = await ctx.platform();
  const [{ runManager }, { openVerbRunner }, { SignInCode }] = await Promise.all([
    import('../../manager/manager.ts'),
    import('../../verbs/verb-runner.ts'),
    import('../../manager/http/sign-in.ts'),
  ]);
  const log = managerLog(ctx);
  const loopSeconds = ctx.io.env.BATCHCTL_TEST_LOOP_SECONDS;
  const at = listen ?? defaultListen(ctx, config);
  const signIn = canOfferSignIn(ctx, at) ? new SignInCode(platform) : null;
  await runManager({
    platform,
    verbs: await openVerbRunner(managerHost(ctx, config, platform), await verbHelp(ctx, table)),
    signal: ctx.signal,
    log,
    listen: at,
    certificate,
    signIn,
    loopMs: loopSeconds === undefined ? HANG_MS : Number(loopSeconds) * 1_000,
    passed: killPoints(ctx.io.env),
    onListening: async (address, fingerprint) => {
      const token = 'batchctl manager token create NAME --scope operate';
      const text = `listening at ${address}, also for the dashboard; create a token with ${token}`;
      log({ event: 'listening', level: 'info', text, fields: { address, fingerprint } });
      if (fingerprint !== null)
        log({ event: 'fingerprint', level: 'info', text: `fingerprint ${fingerprint}`, fields: { fingerprint } });
      const exposed = listen === undefined && isEc2(ctx.io.env) ? null : exposureText(at);
      if (exposed !== null) log({ event: 'exposed', level: 'warning', text: exposed, fields: { address } });
      if (workers !== undefined) await keepWorkers(platform, workers);
      if (signIn !== null) await print(ctx, signInText(address, signIn));
    },
  });
}

/** The configuration and ports with which a manager runs verbs. */
export const managerHost = (ctx: Context, config: Config, platform: Platform): ManagerHost => ({
  config,
  platform,
  impatientPlatform: (patienceMs, onWarning) => openImpatientPlatform(ctx, patienceMs, onWarning),
  examine: async () => (await import('../doctor-checks.ts')).runDoctorChecks(ctx),
});

/** True if a person reads stdout, and a browser on this machine reaches the manager by a loopback address. */
function canOfferSignIn({ io, flags }: Pick<Context, 'io' | 'flags'>, { host }: ListenAddress): boolean {
  return io.stdout.isTTY === true && !flags.json && !flags.quiet && (isLoopback(host) || isEveryAddress(host));
}

/** The warning of a manager that listens at all addresses; null if it doesn't. On EC2 `manager.allow` protects it. */
function exposureText({ host }: ListenAddress): string | null {
  if (!isEveryAddress(host)) return null;
  return "this manager listens at all addresses of this machine: whoever reaches one may try tokens. Name one address (--listen HOST:PORT), or let the machine's firewall choose who reaches it";
}

const isEveryAddress = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** Written to a terminal only: the log must not contain the code. The code is in the hash, which no browser sends. */
function signInText(address: string, signIn: SignInCode): string {
  const here = address.replace(/\/\/(0\.0\.0\.0|\[::\]):/, '//127.0.0.1:');
  return `\nTo sign in from this machine, open within 5 minutes (the link works once):\n\n    ${here}/#sign-in=${signIn.createCode()}\n\n`;
}

/** Throws `usage` for a certificate without a key, and a key without a certificate. */
function certificateFiles(
  { io }: Context,
  { tlsCert, tlsKey }: Pick<ManagerInput, 'tlsCert' | 'tlsKey'>,
): { readonly cert: string; readonly key: string } | null {
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert !== undefined && tlsKey !== undefined)
    return { cert: resolve(io.cwd, tlsCert), key: resolve(io.cwd, tlsKey) };
  const [given, missing] = tlsCert === undefined ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key'];
  throw new BatchctlError('usage', `${given} requires ${missing}`, {
    hint: 'without both, the manager creates its own certificate, identified by its fingerprint',
  });
}

/** Throws `usage`. */
function requireLocalForWorkers({ profile }: Config, workers: number | undefined): void {
  if (workers !== undefined && profile.root === null)
    throw new BatchctlError('usage', `--workers requires the local profile, and ${profile.name} is on AWS`, {
      hint: 'use batchctl scale N, or groups.*.min in the profile',
    });
}

function defaultListen({ io }: Context, { profile }: Config): ListenAddress {
  const said = io.env.BATCHCTL_LISTEN ?? '';
  if (said !== '') return parseListen(said);
  return profile.root === null && isEc2(io.env) ? { host: '0.0.0.0', port: 443 } : { host: '127.0.0.1', port: 8787 };
}

/** Like `scale N`. Raises a lower maximum, as the number of workers was given explicitly. */
async function keepWorkers(platform: Platform, workers: number): Promise<void> {
  const group = await platform.group('default');
  const { max } = await group.describe();
  await group.resize({ desired: workers, max: Math.max(max, workers) });
}

interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, `[::1]:8787`, or `:8787` for all addresses. Throws `usage`. */
function parseListen(text: string): ListenAddress {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]/\s]*):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535) {
    throw new BatchctlError('usage', `expected HOST:PORT, such as 127.0.0.1:8787 or [::]:443, found "${text}"`);
  }
  return { host: host === '' ? '0.0.0.0' : host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** The log on stderr, one line per event, JSON with --json. --quiet omits routine events. */
function managerLog({ io, flags, clock }: Pick<Context, 'io' | 'flags' | 'clock'>): Log {
  return ({ event, level, text, fields }) => {
    if (flags.quiet && level === 'info') return;
    const at = new Date(clock.now()).toISOString();
    const line = flags.json
      ? JSON.stringify({ at, event, level, ...fields, text })
      : // One line, whatever a stored text contains.
        oneLine(`${at} ${level === 'warning' ? 'warning: ' : ''}${text.replaceAll(/\s*\n\s*/g, ' ')}`);
    io.stderr.write(`${line}\n`);
  };
}
