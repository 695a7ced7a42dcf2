import { BatchctlError } from '../../errors.ts';
import type { JsonSchema } from '../../lib/json.ts';
import { STORE_FORMAT, VERSION } from '../../lib/version.ts';
import { type CommandDefinition, type CommandTable, defineCommand, objectOf, outputOf, repeated } from '../command.ts';
import type { Context } from '../context.ts';
import { allCommandsHelp, columnsOf, overview } from '../help.ts';
import { commandHelp } from '../parse.ts';
import { print, printAnswer, printList } from '../render.ts';

export function helpCommand(ctx: Context, table: CommandTable): CommandDefinition {
  return defineCommand({
    arguments: { '[topic...]': 'a command, or job-files, splits, exit-codes, environment' },
    options: { '--all': 'every command by group, and the flags that all of them take' },
    writes: false,
    output: null,
    help: {
      about: 'Without a topic it lists the commands that make up a day.',
      examples: ['batchctl help --all', 'batchctl help splits', 'batchctl help schedule add'],
      exitCodes: { 0: true },
      related: ['version', 'schema'],
    },
    run: async ({ topic, all }) => {
      await print(ctx, await helpText(ctx, table, topic, { all, width: columnsOf(ctx.io.stdout) }));
    },
  });
}

async function helpText(
  ctx: Context,
  table: CommandTable,
  words: readonly string[],
  { all, width }: { readonly all: boolean; readonly width: number },
): Promise<string> {
  const [first] = words;
  if (all && first !== undefined) {
    throw new BatchctlError('usage', `--all lists every command, found ${words.join(' ')} besides`, {
      hint: `batchctl help ${words.join(' ')}`,
    });
  }
  if (first === undefined) return (all ? allCommandsHelp : overview)(table.commands, width);
  const found = table.find(words);
  if (found !== null) return commandHelp(found.entry, (await found.entry.load())(ctx), width);
  const { topicNamed, topicText } = await import('../topics.ts');
  const topic = topicNamed(words.join(' '));
  if (topic !== null) return topicText(topic, width);
  const { subcommandHelp, unknownCommand } = await import('../unknown-command.ts');
  const below = words.length === 1 ? subcommandHelp(table.commands, first, width) : null;
  if (below === null) throw unknownCommand(table.commands, words);
  return below;
}

const textOrNull = (description: string) => ({ type: ['string', 'null'], description });

export function versionCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: objectOf({
      version: { type: 'string', description: 'of batchctl' },
      node: { type: 'string', description: 'the version of Node that runs it' },
      platform: { type: 'string', description: 'operating system and processor: linux-x64' },
      profile: textOrNull('the selected profile; null if the configuration is invalid'),
      backend: { enum: ['local', 'aws', 'manager', null], description: "the profile's" },
      storeFormat: { type: 'integer', description: 'the newest format of a store that this version reads' },
    }),
    help: {
      about: 'What a bug report needs. --version and -V print the version alone.',
      examples: ['batchctl version', 'batchctl version --json'],
      exitCodes: { 0: 'also if the configuration is invalid' },
      related: ['doctor', 'config show', 'help'],
    },
    run: async () => {
      const config = await ctx.unconfirmedConfig().catch((error: Error) => {
        ctx.warn(error.message);
        return null;
      });
      const found = {
        version: VERSION,
        node: process.version.slice(1),
        platform: `${process.platform}-${process.arch}`,
        profile: config?.profile.name ?? null,
        backend: config?.profile.backend ?? null,
        storeFormat: STORE_FORMAT,
      };
      const lines = [
        `batchctl      ${found.version}`,
        `node          ${found.node}`,
        `platform      ${found.platform}`,
        `backend       ${config === null ? 'unknown' : `${found.backend} (profile ${found.profile})`}`,
        `store format  ${found.storeFormat}`,
      ];
      await printAnswer(ctx, { json: found, text: lines.join('\n') });
    },
  });
}

export function schemaCommand(ctx: Context, table: CommandTable): CommandDefinition {
  return defineCommand({
    arguments: { '<what...>': 'job, config, or a command as typed' },
    writes: false,
    output: { type: 'object', description: 'a JSON Schema' },
    help: {
      about:
        'job: of a job file. Editors use it to complete and check a YAML file that begins with: # yaml-language-server: $schema=job.schema.json. config: of batchctl.config.json, for its "$schema". A command: of its --json answer, or of one line where it lists things.',
      examples: [
        'batchctl schema job > job.schema.json',
        'batchctl schema config > config.schema.json',
        'batchctl schema status',
      ],
      exitCodes: { 0: true },
      related: ['init', 'plan', 'config show'],
    },
    run: async ({ what }) => {
      const name = what.join(' ');
      const file = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
      const document = file === undefined ? await commandSchema(ctx, table, what) : await file();
      await printAnswer(ctx, { json: document, text: JSON.stringify(document, null, 2) });
    },
  });
}

const FILES: Readonly<Record<string, () => Promise<JsonSchema>>> = {
  job: async () => (await import('../../jobs/spec/schema.ts')).jobJsonSchema(),
  config: async () => (await import('../../config/schema.ts')).configJsonSchema(),
};

/** The schema of a command's `--json` answer. Throws `usage` for a command that is unknown or has none. */
async function commandSchema(ctx: Context, table: CommandTable, command: readonly string[]): Promise<JsonSchema> {
  const name = command.join(' ');
  const found = table.find(command);
  if (found === null || found.words.length > 0) {
    throw new BatchctlError('usage', `expected job, config or a command, found "${name}"`, {
      hint: 'see batchctl help --all',
    });
  }
  const output = await outputOf((await found.entry.load())(ctx));
  if (output === null) {
    throw new BatchctlError('usage', `${name} has no --json answer`, { hint: 'choose a command that has an answer' });
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `batchctl ${found.entry.name} --json`,
    ...output,
  };
}

export function configShowCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[path]': 'show only this value and those below it: groups.default' },
    writes: false,
    output: objectOf({
      path: { type: 'string', description: 'groups.default.max' },
      value: { description: 'as written, or "(hidden)" for a secret' },
      origin: { type: 'string', description: 'a flag, an environment variable, a file and profile, or "default"' },
    }),
    help: {
      about:
        'Flags override environment variables, which override the file, which overrides defaults. Secrets are hidden.',
      examples: ['batchctl config show', 'batchctl config show groups.default --profile prod --json'],
      exitCodes: { 0: true, 3: 'the configuration is invalid, or the profile does not exist', 4: 'no such value' },
      related: ['schema', 'doctor', 'init'],
    },
    run: ({ path }) => configShow(ctx, path),
  });
}

/** Prints each configuration value and where it came from. Throws `config`, and `notFound` for an unknown path. */
async function configShow(ctx: Context, path: string | undefined): Promise<void> {
  const config = await ctx.unconfirmedConfig();
  const { explainConfig } = await import('../../config/load-config.ts');
  const values = (await explainConfig(config)).filter(
    (row) => path === undefined || row.path === path || row.path.startsWith(`${path}.`),
  );
  if (values.length === 0 && path !== undefined) {
    throw new BatchctlError('notFound', `profile ${config.profile.name} has no value "${path}"`, {
      hint: 'batchctl config show lists all values that are set',
    });
  }
  await printList(ctx, {
    rows: values,
    columns: [
      { title: 'value of', value: (row) => row.path, whole: true },
      { title: 'is', value: (row) => (typeof row.value === 'string' ? row.value : JSON.stringify(row.value)) },
      { title: 'from', value: (row) => row.origin, tint: (row) => (row.origin === 'default' ? 'faint' : null) },
    ],
    empty: 'no values',
  });
}

export function configTrustCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: { '--send <variable>': repeated('a variable without BATCHCTL_ in its name that may be sent; repeatable') },
    writes: false,
    output: TRUSTED,
    help: {
      about:
        "A root that came with a clone, an archive or a copy is refused (exit 7), because its jobs would run as you. So is a configuration in the working directory or above that sends a token, a password or signed requests to an address for the first time. This command records that you trust those of the selected profile, after you have looked at them. A root that other users own or may write to can't be trusted: change its owner or mode.",
      examples: ['batchctl config trust', 'batchctl config trust --profile remote --dry-run'],
      exitCodes: { 0: 'trusted, or nothing needed it', 3: 'other users own the root, or may write to it' },
      related: ['config show', 'doctor'],
    },
    run: (input) => configTrust(ctx, input.send),
  });
}

const TRUSTED = objectOf({
  what: { enum: ['root', 'address'], description: 'what is trusted' },
  value: { type: 'string', description: 'the path of the root, or the address' },
  reason: { type: 'string', description: 'why the root was not trusted before; what the address may be sent' },
});

/** Trusts what the selected profile uses and what is not trusted yet; lists it. */
async function configTrust(ctx: Context, named: readonly string[]): Promise<void> {
  const { trust } = await import('../../platform/trust.ts');
  const { dryRun } = ctx.flags;
  const rows = await trust(await ctx.unconfirmedConfig(), { env: ctx.io.env, named, dryRun });
  await printList(ctx, {
    rows,
    columns: [
      { title: dryRun ? 'would trust' : 'trusted', value: (row) => row.what },
      { title: 'which', value: (row) => row.value, whole: true },
      { title: 'because', value: (row) => row.reason },
    ],
    empty: 'everything that this profile uses is trusted already',
  });
}
