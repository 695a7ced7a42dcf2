/** How a call is sent. */
export interface ApiRequest {
  readonly method: string;
  readonly url: string;
  readonly body: string | null;
}

/** Fills the path from the input; what is left goes into the query of a GET, else into the body. */
export function requestOf(route: string, input: Readonly<Record<string, unknown>>): ApiRequest {
  const [method = '', template = ''] = route.split(' ');
  const named = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(input[name])));
  const rest = Object.entries(input).filter(
    ([name, value]) => !named.includes(name) && value !== undefined && value !== null,
  );
  if (method !== 'GET') return { method, url: path, body: JSON.stringify(Object.fromEntries(rest)) };
  const query = new URLSearchParams(rest.map(([name, value]): [string, string] => [name, String(value)]));
  return { method, url: query.size === 0 ? path : `${path}?${query}`, body: null };
}
