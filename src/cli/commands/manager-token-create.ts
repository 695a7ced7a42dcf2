import type { NewToken } from '../../jobs/tokens/tokens.ts';
import { parseDuration } from '../../lib/units.ts';
import { SCOPES, type Scope } from '../../model/api.ts';
import type { Token } from '../../model/token.ts';
import { type CommandDefinition, choice, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { answer } from '../render.ts';
import { requireOwnStore, TOKEN_FIELDS, tokenDocument } from '../token-command.ts';

export function managerTokenCreateCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<name>': 'its user or purpose; jobs record the caller as token:NAME' },
    options: {
      '--scope <scope>': choice('what it allows; each scope includes those before it (default: read)', SCOPES),
      '--expires <duration>': parsed('lifetime, such as 90d (default: never expires)', parseDuration),
      '--url <url>': parsed("the manager's URL, for the instructions to the holder", managerUrl),
    },
    writes: true,
    output: {
      type: 'object',
      required: ['token', 'id', 'name', 'scope', 'expires', 'at', 'who'],
      properties: {
        token: { type: ['string', 'null'], description: 'the token itself, shown only once; null with --dry-run' },
        ...TOKEN_FIELDS,
        id: { ...TOKEN_FIELDS.id, type: ['string', 'null'] },
      },
    },
    help: {
      about:
        "Creates an access token for the manager. read shows, submit also submits jobs, operate does everything the command line can. The token is printed once; the store keeps only its SHA-256. The command writes to the store directly and needs access to it, whether or not a manager is running. Anyone with submit or operate can do whatever a job's command may do.",
      examples: [
        'batchctl manager token create ann --scope operate --expires 90d',
        'batchctl manager token create dashboard --url https://198.51.100.7',
      ],
      exitCodes: [
        [0, 'made'],
        [3, 'the profile uses a manager'],
        [7, 'refused: a token of that name exists'],
      ],
      related: ['manager token list', 'manager token revoke', 'manager fingerprint', 'manager'],
    },
    run: (input) => managerTokenCreate({ ctx, ...input }),
  });
}

export interface ManagerTokenCreateOptions {
  readonly ctx: Context;
  readonly name: string;
  readonly scope: Scope | undefined;
  /** Seconds. */
  readonly expires: number | undefined;
  readonly url: string | undefined;
}

/** Creates a token. Throws `refused` if the name is in use, and `config` if the profile uses a manager. */
export async function managerTokenCreate(options: ManagerTokenCreateOptions): Promise<void> {
  const { ctx, name, scope = 'read', expires, url } = options;
  await requireOwnStore(ctx);
  const made = await make(ctx, { name, scope, expiresIn: expires ?? null });
  const until =
    made.expires === null
      ? 'never expires'
      : `expires ${formatInstant(Date.parse(made.expires), await ctx.zone(), ctx.clock.now())}`;
  await answer(ctx, {
    json: made,
    text: made.token ?? `token ${name} would be created; scope ${scope}, ${until}`,
  });
  if (made.token === null || ctx.flags.json || ctx.io.stderr.isTTY !== true) return;
  ctx.notice(`token ${name}, scope ${scope}, ${until}. It is shown only once; store it as a secret.`);
  if (url !== undefined) for (const line of await callerLines(ctx, url)) ctx.notice(line);
}

async function make(
  ctx: Context,
  wanted: NewToken,
): Promise<Omit<Token, 'id'> & { readonly token: string | null; readonly id: string | null }> {
  const { checkTokenName, createToken, requireFree } = await import('../../jobs/tokens/tokens.ts');
  const platform = await ctx.platform();
  if (!ctx.flags.dryRun) {
    const { text, token } = await createToken(platform, wanted);
    return { token: text, ...(tokenDocument(token) as unknown as Token) };
  }
  const { name, scope, expiresIn } = wanted;
  checkTokenName(name);
  await requireFree(platform, name, null);
  const now = ctx.clock.now();
  const expires = expiresIn === null ? null : new Date(now + expiresIn * 1_000).toISOString();
  return { token: null, id: null, name, scope, expires, at: new Date(now).toISOString(), who: platform.who };
}

/** What the holder of the token has to configure. */
async function callerLines(ctx: Context, url: string): Promise<readonly string[]> {
  const { readCertificate } = await import('../../manager/tls/own-certificate.ts');
  const own = url.startsWith('https:') ? await readCertificate((await ctx.platform()).store) : null;
  const { profile } = await ctx.config();
  const entry = {
    ...{ backend: 'manager', url, tokenEnv: 'BATCHCTL_TOKEN' },
    ...(own !== null && { fingerprint: own.fingerprint }),
  };
  return [
    `The holder adds this to the profiles in batchctl.config.json, and sets the variable BATCHCTL_TOKEN to the token:`,
    `  "${profile.name}": ${JSON.stringify(entry)}`,
    ...(own === null ? [] : ['(without the fingerprint if the manager uses --tls-cert)']),
  ];
}

function managerUrl(text: string): string {
  if (/^(https:\/\/[^\s/@?#]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(\/[^\s?#]*)?$/.test(text))
    return text.replace(/\/$/, '');
  throw new RangeError(`expected https://HOST, or http: for this machine, found "${text.slice(0, 100)}"`);
}
