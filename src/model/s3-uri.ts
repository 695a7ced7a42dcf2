export interface S3Uri {
  readonly bucket: string;
  /** Without a leading slash; '' for the whole bucket. */
  readonly key: string;
}

/** True for a text that is meant as an S3 URI. */
export const isS3Uri = (text: string): boolean => /^s3:/i.test(text);

/** Null for a text that isn't a valid `s3://BUCKET/KEY`. Bucket names: S3's rules (userguide/bucketnamingrules). */
export function parseS3Uri(text: string): S3Uri | null {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(text);
  return match?.[1] === undefined ? null : { bucket: match[1], key: match[2] ?? '' };
}
