import type { AwsClients } from '../adapters/aws/clients.ts';
import type { NotificationSettings, Notifier } from '../ports/notifier.ts';
import type { SecretSource } from '../ports/secret-source.ts';

/** Milliseconds. Reading a secret and sending, with all retries, must end before the next try may start. */
const NOTICE_LIMIT_MS = 30_000;

interface NoticesOptions {
  readonly profile: NotificationSettings['profile'];
  readonly secrets: SecretSource;
  /** Clients for the region in an ARN. */
  readonly clientsOf: (topic: string) => AwsClients | Promise<AwsClients>;
}

/** Sends notifications. Each receiver's client is loaded when first used. */
export function openNotices({ profile, secrets, clientsOf }: NoticesOptions): NotificationSettings {
  const notifier: Notifier = {
    send: async ({ to, secret, trusted }, notice, signal) => {
      const limit = AbortSignal.timeout(NOTICE_LIMIT_MS);
      const until = signal === undefined ? limit : AbortSignal.any([signal, limit]);
      if (to.startsWith('exec:')) {
        const { runProgram } = await import('../adapters/notify/run-program.ts');
        return runProgram({ path: to.slice('exec:'.length), notice, signal });
      }
      if (to.startsWith('sns:')) {
        const { publishNotice } = await import('../adapters/aws/sns.ts');
        const topic = to.slice('sns:'.length);
        return publishNotice(await clientsOf(topic), topic, notice, until);
      }
      const { postNotice, readSecret } = await import('../adapters/notify/post.ts');
      const value = secret === null ? null : await readSecret(secret, secrets, process.env);
      return postNotice({ url: to, notice, secret: value, loopback: trusted, signal: until });
    },
  };
  return { notifier, profile };
}
