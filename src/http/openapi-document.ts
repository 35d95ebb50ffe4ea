import type { Hono } from 'hono';
import { generateSpecs } from 'hono-openapi';
import type { HttpEnv } from './env.ts';

const documentation = {
  openapi: '3.1.0',
  info: {
    title: 'notafter',
    version: '1',
    description: 'Certificate events in, the state of domains, incidents and dead letters out.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
} as const;

/** The OpenAPI 3.1 document of every route of the app that describes itself. */
export const openApiDocument = (app: Hono<HttpEnv>) => generateSpecs(app, { documentation, excludeStaticFile: true });
