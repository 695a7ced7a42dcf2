/** The argument of `import` for a module below src/: its URL in source; when bundled, its file, beside all others. */
export function moduleUrl(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return import.meta.url.endsWith('.ts') ? new URL(`../${path}.ts`, import.meta.url).href : `./${name}.js`;
}
