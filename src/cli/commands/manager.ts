import { resolve } from 'node:path';
import type { Config } from '../../config.ts';
import { BatchctlError } from '../../errors.ts';
import { isEc2 } from '../../lib/is-ec2.ts';
import { killPoints } from '../../lib/kill-point.ts';
import { wholeNumber } from '../../lib/units.ts';
import type { Platform } from '../../ports/platform.ts';
import { type CommandDefinition, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { type ListenAddress, parseListen } from '../listen-address.ts';
import { requireSaidProfile } from '../said-profile.ts';

export function managerCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--listen <address>': parsed(
        'where it is reached: HOST:PORT (default: BATCHCTL_LISTEN, else 127.0.0.1:8787; 0.0.0.0:443 on EC2)',
        parseListen,
      ),
      '--workers <n>': parsed(
        'local profile: keep so many workers of the default group up, as scale does; they stay when it leaves',
        wholeNumber(0),
      ),
      '--tls-cert <file>':
        'its certificate (PEM, with those between it and its authority); taken up again when it changes',
      '--tls-key <file>': "the certificate's key (PEM)",
    },
    writes: true,
    output: null,
    help: {
      about:
        'The job manager: the verbs of this command line as an API, the dashboard, and the rounds of a keeper: it fires schedules at their time, looks on at open jobs, sizes groups, delivers. It keeps no state: any number of them may run, beside tick, on any hosts. The first SIGTERM or Ctrl-C lets what runs end, for a minute at most; the second ends it at once. What it does is told on stderr, a line an event; with --json as JSON Lines.',
      examples: ['batchctl manager --workers 2', 'batchctl manager --listen 127.0.0.1:9000 --json'],
      exitCodes: [
        [0, 'told to leave'],
        [3, 'no profile was said, or the certificate can not be used'],
        [8, 'it can not listen there, or hung: start it again'],
      ],
      related: ['tick', 'schedule add', 'scale', 'worker', 'infra up'],
    },
    run: (input) => manager({ ctx, ...input }),
  });
}

export interface ManagerCommandOptions {
  readonly ctx: Context;
  readonly listen: ListenAddress | undefined;
  readonly workers: number | undefined;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
}

/** Milliseconds without a sign of life after which a duty is taken to hang; six times as long as it waits for services. */
const LOOP_MS = 300_000;

/** Serves until it is told to leave. */
export async function manager({ ctx, listen, workers, ...tls }: ManagerCommandOptions): Promise<void> {
  await requireSaidProfile(ctx);
  const config = await ctx.config();
  requireManageable(config, workers);
  const certificate = certificateFiles(ctx, tls);
  const platform = await ctx.platform();
  const [{ runManager }, { openVerbRunner }, { managerLog }] = await Promise.all([
    import('../../manager/manager.ts'),
    import('../api/run-verb.ts'),
    import('../manager-log.ts'),
  ]);
  const log = managerLog(ctx);
  const loopSeconds = ctx.io.env.BATCHCTL_TEST_LOOP_SECONDS;
  await runManager({
    ...{ platform, verbs: await openVerbRunner(ctx, config, platform), signal: ctx.signal, log },
    listen: listen ?? defaultListen(ctx, config),
    certificate,
    loopMs: loopSeconds === undefined ? LOOP_MS : Number(loopSeconds) * 1_000,
    passed: killPoints(ctx.io.env),
    onListening: async (address, fingerprint) => {
      const token = 'batchctl manager token create NAME --scope operate';
      const text = `listening at ${address}, where the dashboard is too; ${token} makes a token for it`;
      log({ event: 'listening', level: 'info', text, fields: { address, fingerprint } });
      if (fingerprint !== null)
        log({ event: 'fingerprint', level: 'info', text: `fingerprint ${fingerprint}`, fields: { fingerprint } });
      if (workers !== undefined) await keepWorkers(platform, workers);
    },
  });
}

/** Throws `usage` for a certificate without its key, and a key without its certificate. */
function certificateFiles(
  { io }: Context,
  { tlsCert, tlsKey }: Pick<ManagerCommandOptions, 'tlsCert' | 'tlsKey'>,
): { readonly cert: string; readonly key: string } | null {
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert !== undefined && tlsKey !== undefined)
    return { cert: resolve(io.cwd, tlsCert), key: resolve(io.cwd, tlsKey) };
  const [given, lacking] = tlsCert === undefined ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key'];
  throw new BatchctlError('usage', `${given} needs ${lacking}`, {
    hint: 'without both the manager makes a certificate of its own, known by its fingerprint',
  });
}

/** Throws `usage`. */
function requireManageable({ profile }: Config, workers: number | undefined): void {
  if (workers !== undefined && profile.backend !== 'local')
    throw new BatchctlError('usage', `--workers is for the local profile, and ${profile.name} is on AWS`, {
      hint: 'batchctl scale N, or groups.*.min in the profile',
    });
}

function defaultListen({ io }: Context, { profile }: Config): ListenAddress {
  const said = io.env.BATCHCTL_LISTEN ?? '';
  if (said !== '') return parseListen(said);
  return profile.backend === 'aws' && isEc2(io.env)
    ? { host: '0.0.0.0', port: 443 }
    : { host: '127.0.0.1', port: 8787 };
}

/** As `scale N` does. A maximum below it is raised: who says how many workers there are to be means it. */
async function keepWorkers(platform: Platform, workers: number): Promise<void> {
  const group = await platform.group('default');
  const { max } = await group.describe();
  await group.resize({ desired: workers, max: Math.max(max, workers) });
}
