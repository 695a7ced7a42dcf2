import type { FastifyRequest } from 'fastify';
import { whoOf } from './auth.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The verb that a route runs. */
    verb?: string;
    /** It is answered for as long as it lasts. */
    streams?: true;
  }
}

/** The name by which jobs remember who calls. */
export const callerOf = (request: FastifyRequest): string => whoOf(request);
