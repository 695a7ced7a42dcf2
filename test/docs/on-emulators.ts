/** The environment in which a profile on AWS is one on emulators: the SDK's own variables. */
export function onEmulators(url: string): Readonly<Record<string, string>> {
  return {
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    AWS_ENDPOINT_URL: url,
  };
}
