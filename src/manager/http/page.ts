import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { BatchctlError } from '../../errors.ts';

/** Names of these change with what is in them: `assets/main-3K5M7P2Q.js`. */
const HASHED = /^assets\//;
const YEAR = 365 * 24 * 3_600;

/** Beside the bundled program, or where the build puts it for the source. */
const PLACES = ['dashboard', '../../../dist/dashboard'].map((name) => join(import.meta.dirname, name));

/** Where the dashboard's files are; null in a program that was built without them. */
export const builtPage = (): string | null => PLACES.find((place) => existsSync(join(place, 'index.html'))) ?? null;

/**
 * Serves the dashboard's files, which hold no data: the page asks for a token. Just the files that are there as it starts,
 * each by a path of its own: no path of a caller's ever becomes a file's name.
 */
export function addPage(app: FastifyInstance, directory: string | null): void {
  const config = { scope: 'anyone' } as const;
  if (directory === null) {
    app.get('/', { config }, () => {
      throw new BatchctlError('notFound', 'this manager was built without the dashboard', {
        hint: 'the API is available: GET /api/v1/openapi.json',
      });
    });
    return;
  }
  void app.register(fastifyStatic, { root: directory, serve: false, cacheControl: false });
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const name = relative(directory, join(entry.parentPath, entry.name));
    const kept = HASHED.test(name) ? `public, max-age=${YEAR}, immutable` : 'no-store';
    app.get(name === 'index.html' ? '/' : `/${encodeURI(name)}`, { config }, (_, reply) =>
      reply.header('cache-control', kept).sendFile(name),
    );
  }
}
