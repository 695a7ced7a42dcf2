import { isExpired, type Token } from '../../model/token.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { answerList } from '../render.ts';
import { requireOwnStore, TOKEN_FIELDS, tokenDocument } from '../token-command.ts';

export function managerTokenListCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: {
      type: 'object',
      required: ['id', 'name', 'scope', 'expires', 'expired', 'at', 'who', 'used'],
      properties: {
        ...TOKEN_FIELDS,
        expired: { type: 'boolean' },
        used: {
          type: ['string', 'null'],
          format: 'date-time',
          description: 'when it was last used, to the hour; null: never',
        },
      },
    },
    help: {
      about:
        "Sorted by name, with the time of last use. Managers record the time once an hour, so it may be up to an hour old. The manager's audit log records the token and caller of each call.",
      examples: ['batchctl manager token list', 'batchctl manager token list --json'],
      exitCodes: [
        [0, 'also if there are none'],
        [3, 'the profile uses a manager'],
      ],
      related: ['manager token create', 'manager token revoke'],
    },
    run: () => managerTokenList({ ctx }),
  });
}

export interface ManagerTokenListOptions {
  readonly ctx: Context;
}

/** Lists the tokens. An unreadable token is a warning. */
export async function managerTokenList({ ctx }: ManagerTokenListOptions): Promise<void> {
  await requireOwnStore(ctx);
  const [{ listTokens }, { readTokenUse }] = await Promise.all([
    import('../../jobs/tokens/tokens.ts'),
    import('../../jobs/tokens/token-reader.ts'),
  ]);
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
  await answerList<Token>(ctx, {
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
