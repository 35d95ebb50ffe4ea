import { Hono } from 'hono';
import { generateSpecs } from 'hono-openapi';
import * as v from 'valibot';
import { describe as suite, expect, it } from 'vitest';
import { queryLimit } from './input.ts';
import { describe } from './openapi.ts';

suite('the description of a route', () => {
  const thing = v.pipe(v.object({ name: v.string() }), v.metadata({ ref: 'Thing' }));
  const app = new Hono().post(
    '/v1/things/:id',
    describe({
      summary: 'Change a thing',
      tag: 'Things',
      role: 'operator',
      path: { id: 'Which' },
      query: v.strictObject({ limit: queryLimit(500, 200) }),
      body: v.strictObject({ name: v.optional(v.pipe(v.string(), v.trim())) }),
      answers: { 200: { about: 'Changed', schema: thing }, 202: { about: 'Later' } },
      errors: [404],
    }),
    (c) => c.text(''),
  );

  it('puts what a route takes and gives into the document, as callers send it', async () => {
    const { paths, components } = await generateSpecs(app);
    const operation = paths['/v1/things/{id}']?.post;
    expect(operation).toMatchObject({
      summary: 'Change a thing',
      tags: ['Things'],
      security: [{ bearer: [] }],
      parameters: [
        { in: 'path', name: 'id', required: true, description: 'Which' },
        { in: 'query', name: 'limit', required: false, schema: { type: 'string', default: '200' } },
      ],
      requestBody: { content: { 'application/json': { schema: { type: 'object', additionalProperties: false } } } },
    });
    expect(components.schemas?.['Thing']).toMatchObject({ type: 'object', required: ['name'] });
    expect(components.schemas?.['Problem']).toBeDefined();
  });

  it('lists every status that the route can answer with', async () => {
    const { paths } = await generateSpecs(app);
    const statuses = Object.keys(paths['/v1/things/{id}']?.post?.responses ?? {});
    expect(statuses).toEqual(['200', '202', '400', '401', '403', '404', '413', '415', '503']);
  });
});
