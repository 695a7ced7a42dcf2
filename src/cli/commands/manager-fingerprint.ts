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
        "Prints the fingerprint of the certificate that the store's managers share. The first manager to listen beyond its own machine creates it. Put it into the profiles of clients as fingerprint. It is read from the store, so it is as trustworthy as your access to the store. A manager with --tls-cert uses that certificate instead.",
      examples: ['batchctl manager fingerprint'],
      exitCodes: [0, [3, 'the profile uses a manager'], [4, 'no manager has created a certificate yet']],
      related: ['manager', 'manager token create'],
    },
    run: () => managerFingerprint({ ctx }),
  });
}

export interface ManagerFingerprintOptions {
  readonly ctx: Context;
}

/** Prints the fingerprint of the managers' own certificate. Throws `notFound` if there is none yet. */
export async function managerFingerprint({ ctx }: ManagerFingerprintOptions): Promise<void> {
  await requireOwnStore(ctx);
  const { readCertificate } = await import('../../manager/tls/own-certificate.ts');
  const own = await readCertificate((await ctx.platform()).store);
  if (own === null)
    throw new BatchctlError('notFound', 'no manager has created a certificate here yet', {
      hint: 'the first manager that listens beyond its own machine creates one: batchctl manager --listen 0.0.0.0:8443',
    });
  const { fingerprint } = own;
  await answer(ctx, { json: { fingerprint }, text: fingerprint });
}
