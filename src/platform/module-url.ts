/** Where a module below src/ is, from source or bundled: there it is an entry of its own, named as its file. */
export function moduleUrl(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return new URL(import.meta.url.endsWith('.ts') ? `../${path}.ts` : `./${name}.js`, import.meta.url).href;
}
