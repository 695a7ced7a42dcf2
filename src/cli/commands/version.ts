import { STORE_FORMAT, VERSION } from '../../lib/version.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

const textOrNull = (description: string) => ({ type: ['string', 'null'], description });

export function versionCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: {
      type: 'object',
      required: ['version', 'node', 'platform', 'profile', 'backend', 'storeFormat'],
      properties: {
        version: { type: 'string' },
        node: { type: 'string', description: 'the version of Node that runs it' },
        platform: { type: 'string', description: 'operating system and processor: linux-x64' },
        profile: textOrNull('the selected profile; null if the configuration is invalid'),
        backend: { enum: ['local', 'aws', 'manager', null], description: "the profile's" },
        storeFormat: { type: 'integer', description: 'the newest format of a store that this version reads' },
      },
    },
    help: {
      about: 'What a bug report needs. --version and -V print the version alone.',
      examples: ['batchctl version', 'batchctl version --json'],
      exitCodes: [[0, 'also if the configuration is invalid']],
      related: ['doctor', 'config show', 'help'],
    },
    run: async () => {
      const config = await ctx.config().catch((error: Error) => {
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
      await answer(ctx, { json: found, text: lines.join('\n') });
    },
  });
}
