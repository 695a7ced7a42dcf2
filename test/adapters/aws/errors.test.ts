// Protects: AWS errors reach the operator with the right kind, message and hint.

import { expect } from 'chai';
import { MfaError, translateAwsError } from '../../../src/adapters/aws/errors.ts';
import { BatchctlError, type ErrorKind, isKind, isRefusal } from '../../../src/errors.ts';

const REQUEST = { what: 'put k', action: 's3:PutObject', resource: 'arn:aws:s3:::b/k', profile: 'acme-prod' };
const failure = (name: string, status: number | null, fields: object = {}): Error => {
  const metadata = status && { $metadata: { httpStatusCode: status } };
  return Object.assign(new Error(`text of ${name}`), { name, ...metadata, ...fields });
};
/** An answer whose time is that of AWS. */
const answeredAt = (time: number) => ({ $response: { headers: { date: new Date(time).toUTCString() } } });
const kmsDenial = `User: arn:aws:sts::1:assumed-role/${'w'.repeat(64)}/${'s'.repeat(250)} is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:1:key/0a-1 because no identity-based policy allows the kms:Decrypt action`;
const expiredSignature =
  'Signature expired: 20261128T060000Z is now earlier than 20261128T061000Z (20261128T061500Z - 5 min.)';
const wrongCode = 'MultiFactorAuthentication failed with invalid MFA one time pass code. ';

/** Errors with a time are made in their test, which may run long after this file was loaded. */
const CASES: readonly (readonly [Error | (() => Error), ErrorKind, RegExp])[] = [
  [failure('ExpiredToken', 400), 'credentials', /have expired.*aws sso login --profile acme-prod/],
  [failure('CredentialsProviderError', null), 'credentials', /no AWS credentials/],
  [
    failure('CredentialsProviderError', null, { message: 'The SSO session has expired' }),
    'credentials',
    /have expired/,
  ],
  [new MfaError('a code is required', 'type it'), 'credentials', /could not put k: a code is required type it/],
  [failure('AccessDenied', 403, { message: wrongCode }), 'credentials', /MFA code was rejected.*the next code/],
  [failure('SignatureDoesNotMatch', 403), 'credentials', /rejects.*clock/],
  [failure('AccessDenied', 403), 'credentials', /s3:PutObject on arn:aws:s3:::b\/k is denied.*infra policies/],
  [failure('Forbidden', 403), 'credentials', /denied/],
  [failure('NoSuchBucket', 404), 'notFound', /arn:aws:s3:::b does not exist.*infra up/],
  [failure('PermanentRedirect', 301), 'config', /another region.*`region`/],
  [failure('RequestTimeTooSkewed', 403), 'config', /clock/],
  [failure('InvalidSignatureException', 403, { message: expiredSignature }), 'config', /clock is wrong/],
  [
    () => failure('RequestExpired', 400, answeredAt(Date.now() - 600_000)),
    'config',
    /clock is 10 min ahead of AWS's \(RequestExpired\).*timedatectl/,
  ],
  [() => failure('RequestExpired', 400, answeredAt(Date.now())), 'credentials', /credentials have expired/],
  [
    failure('AccessDenied', 403, { message: kmsDenial }),
    'credentials',
    /could not put k: kms:Decrypt on arn:aws:kms:eu-west-1:1:key\/0a-1 is denied, which s3:PutObject on .*key's own policy/,
  ],
  [failure('InvalidObjectState', 403), 'refused', /b\/k is in an archive tier.*restore-object/],
  [
    failure('KMS.DisabledException', 400),
    'refused',
    /the KMS key of arn:aws:s3:::b\/k can't be used: text of KMS.DisabledException \(KMS.DisabledException\) .*enable-key/,
  ],
  [failure('KMS.AccessDeniedException', 400), 'credentials', /s3:PutObject on .* is denied/],
  [failure('OptInRequired', 403), 'refused', /not signed up.*ledger\.kind/],
  [failure('AccountProblem', 403), 'refused', /billing/],
  [failure('BucketAlreadyExists', 409), 'refused', /belongs to another account.*bucket\.name/],
  [failure('QuotaExceeded', 403), 'full', /the store is full \(QuotaExceeded\).*quota/],
  [failure('InsufficientStorage', 507), 'full', /the store is full/],
  [failure('SlowDown', 503), 'unavailable', /limits the request rate/],
  [
    failure('InternalError', 500, { $metadata: { httpStatusCode: 500, attempts: 8 } }),
    'unavailable',
    /after 8 attempts/,
  ],
  [failure('TimeoutError', null), 'unavailable', /unreachable/],
  [failure('Error', null, { code: 'ECONNREFUSED' }), 'unavailable', /unreachable/],
  [failure('Error', null, { code: 'SELF_SIGNED_CERT_IN_CHAIN' }), 'config', /not trusted.*AWS_CA_BUNDLE/],
  [new Error('Bad response: 407'), 'config', /proxy requires a user name/],
  [new Error('Bad response: 502'), 'unavailable', /unreachable/],
  [failure('InvalidArgument', 400), 'unexpected', /InvalidArgument: text of/],
];

/** Errors that only a person can end, and those that may pass, or that end with new credentials. */
const REFUSALS: readonly (readonly [Error, boolean])[] = [
  [failure('AccessDenied', 403), true],
  [failure('KMS.DisabledException', 400), true],
  [failure('KMS.KMSInvalidStateException', 400), true],
  [failure('KMS.NotFoundException', 400), true],
  [failure('KmsDisabled', 400), true],
  [failure('AccountProblem', 403), true],
  [failure('TemporaryRedirect', 307), true],
  [failure('RequestTimeTooSkewed', 403), true],
  [failure('Error', null, { code: 'SELF_SIGNED_CERT_IN_CHAIN' }), true],
  [new Error('Bad response: 407'), true],
  [failure('InvalidArgument', 400), true],
  [failure('MethodNotAllowed', 405), true],
  [failure('UnknownError', 499), true],
  [failure('UnknownError', 404), false],
  [failure('Gone', 410), false],
  [failure('NoSuchBucket', 404), false],
  [failure('TypeError', null), false],
  [failure('NotImplemented', 501), false],
  [failure('ExpiredToken', 400), false],
  [failure('InvalidAccessKeyId', 403), false],
  [failure('CredentialsProviderError', null), false],
  [failure('SlowDown', 503), false],
  [failure('TooManyRequestsException', 429), false],
  [failure('OverLimit', 403), false],
  [failure('KMS.ThrottlingException', 400), false],
  [failure('KmsThrottled', 400), false],
  [failure('KMS.KMSInternalException', 500), false],
  [failure('RequestTimeout', 400), false],
  [failure('QuotaExceeded', 507), false],
  [failure('QuotaExceeded', 403), false],
];

describe('an AWS error, as the operator sees it', () => {
  for (const [error, expected] of REFUSALS)
    it(`${error.name} (${error.message}) ${expected ? 'is' : 'is not'} a refusal that only a person can end`, () => {
      expect(isRefusal(translateAwsError(error, REQUEST))).to.equal(expected);
    });

  for (const [given, kind, text] of CASES) {
    const make = given instanceof Error ? () => given : given;
    const { name, message } = make();
    it(`${name} (${message}) has the kind ${kind}`, () => {
      const error = make();
      const translated = translateAwsError(error, REQUEST);
      expect(isKind(translated, kind), String(translated)).to.equal(true);
      expect(`${translated.message} ${translated instanceof BatchctlError ? translated.hint : ''}`).to.match(text);
      expect(translated.cause).to.equal(error);
    });
  }

  it('is left unchanged if it already has a kind, or comes from an aborted signal', () => {
    const own = new BatchctlError('changed', 'x');
    const abort = failure('AbortError', null);
    expect(translateAwsError(own, REQUEST)).to.equal(own);
    expect(translateAwsError(abort, REQUEST)).to.equal(abort);
  });
});
