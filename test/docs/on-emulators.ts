import { KEYS } from '../support/aws-keys.ts';

/** The environment in which a profile on AWS is one on emulators: the SDK's own variables. */
export function onEmulators(url: string): Readonly<Record<string, string>> {
  return {
    ...KEYS,
    AWS_ENDPOINT_URL: url,
  };
}
