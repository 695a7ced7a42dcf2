interface Readable<Options> {
  read(key: string, options?: Options): Promise<Uint8Array | null>;
}

/** The object's bytes as text; null if it does not exist. */
export async function readText<Options>(
  store: Readable<Options>,
  key: string,
  options?: Options,
): Promise<string | null> {
  const bytes = await store.read(key, options);
  return bytes === null ? null : Buffer.from(bytes).toString();
}
