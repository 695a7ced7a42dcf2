import { asciiJson } from '../../src/lib/json.ts';
import { META_KEY, type OutputMeta } from '../../src/model/output.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';

/** The content of an object, which must exist. */
export async function readText(store: ObjectStore, key: string): Promise<string> {
  const bytes = await store.read(key);
  if (bytes === null) throw new Error(`there is no object ${key}`);
  return new TextDecoder().decode(bytes);
}

/** Changes the content of an object behind batchctl's back, and keeps its metadata. */
export async function changeText(store: ObjectStore, key: string, change: (text: string) => string): Promise<void> {
  const changed = change(await readText(store, key));
  await store.put(key, changed, { metadata: (await store.head(key))?.metadata ?? {} });
}

/** Changes fields of an output's metadata, and keeps its content. */
export async function changeMeta(
  store: ObjectStore,
  key: string,
  changes: { readonly [Field in keyof OutputMeta]?: unknown },
): Promise<void> {
  const meta = { ...JSON.parse((await store.head(key))?.metadata[META_KEY] ?? ''), ...changes };
  await store.put(key, await readText(store, key), { metadata: { [META_KEY]: asciiJson(meta) } });
}
