import { BatchctlError } from '../../errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';
import { requireOwnStore } from '../token-command.ts';

export function managerFingerprintCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: {
      type: 'object',
      required: ['fingerprint'],
      properties: { fingerprint: { type: 'string', description: 'sha256: and 64 hex digits' } },
    },
    help: {
      about:
        "Of the certificate that the store's managers share, made by the first of them that listened beyond its own machine. It goes into the profile of who calls: fingerprint. Read from the store, and so vouched for by its rights. A manager with --tls-cert proves itself by that certificate instead.",
      examples: ['batchctl manager fingerprint'],
      exitCodes: [0, [3, 'the profile asks a manager'], [4, 'no manager has made a certificate yet']],
      related: ['manager', 'manager token create'],
    },
    run: () => managerFingerprint({ ctx }),
  });
}

export interface ManagerFingerprintOptions {
  readonly ctx: Context;
}

/** Tells what the managers' own certificate is known by. Throws `notFound` where there is none yet. */
export async function managerFingerprint({ ctx }: ManagerFingerprintOptions): Promise<void> {
  await requireOwnStore(ctx);
  const { readCertificate } = await import('../../manager/tls/own-certificate.ts');
  const own = await readCertificate((await ctx.platform()).store);
  if (own === null)
    throw new BatchctlError('notFound', 'no manager has made a certificate here yet', {
      hint: 'the first that listens beyond its own machine does: batchctl manager --listen 0.0.0.0:8443',
    });
  const { fingerprint } = own;
  await answer(ctx, { json: { fingerprint }, text: fingerprint });
}
