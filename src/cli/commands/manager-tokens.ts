import { BatchctlError } from '../../errors.ts';
import { FRESH_MS, type NewToken } from '../../jobs/tokens.ts';
import type { JsonSchema } from '../../lib/json.ts';
import { parseDuration } from '../../lib/units.ts';
import { SCOPES } from '../../model/api.ts';
import { isExpired, type Token } from '../../model/token.ts';
import { type CommandDefinition, type CommandInput, choice, defineCommand, objectOf, parsed } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { printAnswer, printList } from '../render.ts';

const CREATE = {
  '--scope <scope>': choice('what it allows; each scope includes those before it (default: read)', SCOPES),
  '--expires <duration>': parsed('lifetime, such as 90d (default: never expires)', parseDuration),
  '--url <url>': parsed("the manager's URL, for the instructions to the holder", managerUrl),
};

export function managerTokenCreateCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<name>': 'its user or purpose; jobs record the caller as token:NAME' },
    options: CREATE,
    writes: true,
    output: objectOf({
      token: { type: ['string', 'null'], description: 'the token itself, shown only once; null with --dry-run' },
      ...TOKEN_FIELDS,
      id: {
        ...TOKEN_FIELDS.id,
        type: ['string', 'null'],
        description: 'the first 12 digits of its SHA-256; null with --dry-run',
      },
    }),
    help: {
      about:
        "Creates an access token for the manager. read shows, submit also submits jobs, operate does everything the command line can. The token is printed once; the store keeps only its SHA-256. The command writes to the store directly and needs access to it, whether or not a manager is running. Anyone with submit or operate can do whatever a job's command may do.",
      examples: [
        'batchctl manager token create ann --scope operate --expires 90d',
        'batchctl manager token create dashboard --url https://198.51.100.7',
      ],
      exitCodes: { 0: 'made', 3: 'the profile uses a manager', 7: 'refused: a token of that name exists' },
      related: ['manager token list', 'manager token revoke', 'manager fingerprint', 'manager'],
    },
    run: (input) => managerTokenCreate(ctx, input.name, input),
  });
}

/** Creates a token. Throws `refused` if the name is in use, and `config` if the profile uses a manager. */
async function managerTokenCreate(ctx: Context, name: string, input: CommandInput<typeof CREATE>): Promise<void> {
  const { scope = 'read', expires, url } = input;
  await requireOwnStore(ctx);
  const made = await createOrPreview(ctx, { name, scope, expiresIn: expires ?? null });
  const until =
    made.expires === null
      ? 'never expires'
      : `expires ${formatInstant(Date.parse(made.expires), await ctx.zone(), ctx.clock.now())}`;
  await printAnswer(ctx, {
    json: made,
    text: made.token ?? `token ${name} would be created; scope ${scope}, ${until}`,
  });
  if (made.token === null || ctx.flags.json || ctx.io.stderr.isTTY !== true) return;
  ctx.notice(`token ${name}, scope ${scope}, ${until}. It is shown only once; store it as a secret.`);
  if (url !== undefined) for (const line of await clientInstructions(ctx, url)) ctx.notice(line);
}

async function createOrPreview(ctx: Context, wanted: NewToken) {
  const { checkTokenName, createToken, requireFree } = await import('../../jobs/tokens.ts');
  const platform = await ctx.platform();
  if (!ctx.flags.dryRun) {
    const { text, token } = await createToken(platform, wanted);
    return { token: text, ...tokenDocument(token) };
  }
  const { name, scope, expiresIn } = wanted;
  checkTokenName(name);
  await requireFree(platform, name, null);
  const now = ctx.clock.now();
  const expires = expiresIn === null ? null : new Date(now + expiresIn * 1_000).toISOString();
  return { token: null, id: null, name, scope, expires, at: new Date(now).toISOString(), who: platform.who };
}

/** The configuration for the holder of the token. */
async function clientInstructions(ctx: Context, url: string): Promise<readonly string[]> {
  const { readCertificate } = await import('../../manager/tls/open-tls.ts');
  const own = url.startsWith('https:') ? await readCertificate((await ctx.platform()).store) : null;
  const { profile } = await ctx.config();
  const entry = {
    backend: 'manager',
    url,
    tokenEnv: 'BATCHCTL_TOKEN',
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

export function managerTokenListCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: objectOf({
      ...TOKEN_FIELDS,
      expired: { type: 'boolean', description: 'it is refused' },
      used: {
        type: ['string', 'null'],
        format: 'date-time',
        description: 'last use, to the hour; null: never seen',
      },
    }),
    help: {
      about:
        "Sorted by name, with the time of last use. Managers record the time once an hour, so it may be up to an hour old. The manager's audit log records the token and caller of each call.",
      examples: ['batchctl manager token list', 'batchctl manager token list --json'],
      exitCodes: { 0: 'also if there are none', 3: 'the profile uses a manager' },
      related: ['manager token create', 'manager token revoke'],
    },
    run: () => managerTokenList(ctx),
  });
}

/** Lists the tokens. An unreadable token is a warning. */
async function managerTokenList(ctx: Context): Promise<void> {
  await requireOwnStore(ctx);
  const { listTokens, readTokenUse } = await import('../../jobs/tokens.ts');
  const { store } = await ctx.platform();
  const found = await listTokens(store, (id, error) => {
    const why = error instanceof Error ? error.message : String(error);
    ctx.warn(`token ${id} is invalid: ${why}; remove it with batchctl manager token revoke ${id}`);
  });
  const tokens = found.flatMap(({ token }) => (token === null ? [] : [token]));
  const used = new Map<string, string | null>();
  for (const { id } of tokens) used.set(id, await readTokenUse(store, id));
  const usedAt = ({ id }: Token): string | null => used.get(id) ?? null;
  const [now, zone] = [ctx.clock.now(), await ctx.zone()];
  const at = (text: string): string => formatInstant(Date.parse(text), zone, now);
  await printList<Token>(ctx, {
    rows: tokens,
    json: (token) => ({ ...tokenDocument(token), expired: isExpired(token, now), used: usedAt(token) }),
    columns: [
      { title: 'name', value: ({ name }) => name, whole: true },
      { title: 'scope', value: ({ scope }) => scope },
      { title: 'id', value: ({ id }) => id, whole: true },
      { title: 'created', value: (token) => at(token.at), rank: 2 },
      { title: 'by', value: ({ who }) => who, rank: 3 },
      {
        title: 'last used',
        rank: 1,
        value: (token) => {
          const last = usedAt(token);
          return last === null ? 'never' : at(last);
        },
      },
      {
        title: 'expires',
        value: (token) =>
          token.expires === null ? 'never' : `${at(token.expires)}${isExpired(token, now) ? ', expired' : ''}`,
        tint: (token) => (isExpired(token, now) ? 'bad' : null),
      },
    ],
    empty: 'no tokens, so no one can call a manager',
  });
}

export function managerTokenRevokeCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<token>': 'its name, or its id as shown by manager token list and the audit log' },
    writes: true,
    output: objectOf({
      ids: { type: 'array', items: { type: 'string' }, description: 'ids of the deleted tokens' },
      revoked: { type: 'boolean', description: 'false with --dry-run' },
    }),
    help: {
      about: `Every manager rejects it after at most ${FRESH_MS / 1_000} s, and closes its open connections. If several tokens, such as expired ones, have the name, all are revoked.`,
      examples: ['batchctl manager token revoke ann --yes'],
      exitCodes: { 0: 'revoked', 3: 'the profile uses a manager', 4: 'no such token', 7: 'refused: not confirmed' },
      related: ['manager token list', 'manager token create'],
    },
    run: ({ token }) => managerTokenRevoke(ctx, token),
  });
}

/** Revokes a token after confirmation. Throws `notFound`, `refused`. */
async function managerTokenRevoke(ctx: Context, which: string): Promise<void> {
  await requireOwnStore(ctx);
  const { findTokens, revokeTokens } = await import('../../jobs/tokens.ts');
  const platform = await ctx.platform();
  const found = await findTokens(platform, which);
  const ids = found.map(({ id }) => id);
  if (!ctx.flags.dryRun) {
    await confirm(ctx, `revoke token ${which} (${ids.join(', ')})?`);
    await revokeTokens(platform, found);
  }
  const would = ctx.flags.dryRun ? 'would be' : 'is';
  await printAnswer(ctx, { json: { ids, revoked: !ctx.flags.dryRun }, text: `token ${which} ${would} revoked` });
}

export function managerFingerprintCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: objectOf({ fingerprint: { type: 'string', description: '`sha256:` and 64 hex digits' } }),
    help: {
      about:
        "Prints the fingerprint of the certificate that the store's managers share. The first manager to listen beyond its own machine creates it. Put it into the profiles of clients as fingerprint. It is read from the store, so it is as trustworthy as your access to the store. A manager with --tls-cert uses that certificate instead.",
      examples: ['batchctl manager fingerprint'],
      exitCodes: { 0: true, 3: 'the profile uses a manager', 4: 'no manager has created a certificate yet' },
      related: ['manager', 'manager token create'],
    },
    run: () => managerFingerprint(ctx),
  });
}

/** Prints the fingerprint of the managers' own certificate. Throws `notFound` if there is none yet. */
async function managerFingerprint(ctx: Context): Promise<void> {
  await requireOwnStore(ctx);
  const { readCertificate } = await import('../../manager/tls/open-tls.ts');
  const own = await readCertificate((await ctx.platform()).store);
  if (own === null)
    throw new BatchctlError('notFound', 'no manager has created a certificate here yet', {
      hint: 'the first manager that listens beyond its own machine creates one: batchctl manager --listen 0.0.0.0:8443',
    });
  const { fingerprint } = own;
  await printAnswer(ctx, { json: { fingerprint }, text: fingerprint });
}

/** Throws `config` if the profile uses a manager, whose store, with the tokens, it can't reach. */
async function requireOwnStore(ctx: Context): Promise<void> {
  const { profile } = await ctx.config();
  if (profile.backend !== 'manager') return;
  throw new BatchctlError(
    'config',
    `profile ${profile.name} uses a manager, and tokens can only be managed at the manager's store`,
    { hint: 'use the profile of the manager itself, with access to its store: --profile NAME' },
  );
}

const time = { type: 'string', format: 'date-time' };

const TOKEN_FIELDS = {
  id: { type: 'string', description: 'the first 12 digits of its SHA-256, as the audit has it' },
  name: { type: 'string', description: 'the name that jobs record as `token:NAME`' },
  scope: { enum: ['read', 'submit', 'operate'], description: 'each scope includes the previous ones' },
  expires: {
    type: ['string', 'null'],
    format: 'date-time',
    description: 'time after which it is refused; null: never',
  },
  at: { ...time, description: 'time of creation' },
  who: { type: 'string', description: 'author' },
} as const satisfies JsonSchema;

/** The fields of `TOKEN_FIELDS`, in their order. */
const tokenDocument = ({ id, name, scope, expires, at, who }: Token): Token => ({ id, name, scope, expires, at, who });
