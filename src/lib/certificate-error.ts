/** Whether the code of a TLS error means that the other side's certificate is not trusted, or not its own. */
export function isCertificateError(code: string): boolean {
  return /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO_SELF_SIGNED|INVALID_CA|ERR_TLS_CERT_)/.test(code);
}
