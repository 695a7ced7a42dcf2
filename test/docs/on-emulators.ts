/** The environment in which a profile on AWS is one on emulators: the SDK's own variables. */
export function onEmulators(s3: string, sqs: string): Readonly<Record<string, string>> {
  return {
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    AWS_ENDPOINT_URL_S3: s3,
    AWS_ENDPOINT_URL_STS: s3,
    AWS_ENDPOINT_URL_SQS: sqs,
  };
}
