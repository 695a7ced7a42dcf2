import { createHmac } from 'node:crypto';

export interface SimpleDbCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a role's credentials. */
  readonly sessionToken?: string | undefined;
}

/** SimpleDB's only API version. */
const VERSION = '2009-04-15';

/**
 * Signs a request's parameters by Signature Version 2 with HmacSHA256 (SimpleDB developer guide, HMACAuth): answers all
 * that is to be sent. A request that is tried again is signed again, as the time is part of it.
 */
export function signSimpleDb(
  parameters: Readonly<Record<string, string>>,
  at: { readonly host: string; readonly credentials: SimpleDbCredentials; readonly now: number },
): Readonly<Record<string, string>> {
  const { accessKeyId, secretAccessKey, sessionToken } = at.credentials;
  const signed: Record<string, string> = {
    ...parameters,
    AWSAccessKeyId: accessKeyId,
    ...(sessionToken !== undefined && { SecurityToken: sessionToken }),
    SignatureMethod: 'HmacSHA256',
    SignatureVersion: '2',
    Timestamp: new Date(at.now).toISOString().replace(/\.\d+Z$/, 'Z'),
    Version: VERSION,
  };
  const text = ['POST', at.host.toLowerCase(), '/', canonicalForm(signed)].join('\n');
  return { ...signed, Signature: createHmac('sha256', secretAccessKey).update(text).digest('base64') };
}

/** Names and values in the byte order of names, encoded by RFC 3986. */
export function canonicalForm(parameters: Readonly<Record<string, string>>): string {
  // Names are ASCII, so the default order (UTF-16 units) is that of bytes.
  const names = Object.keys(parameters).sort();
  return names.map((name) => `${encode(name)}=${encode(parameters[name] ?? '')}`).join('&');
}

/** encodeURIComponent leaves ! ' ( ) * bare, RFC 3986 doesn't. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
