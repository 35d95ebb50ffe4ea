import { createMiddleware } from 'hono/factory';
import { AppError } from '../errors.ts';
import { authenticate } from './auth.ts';
import type { HttpEnv } from './env.ts';
import { describe, type Operation } from './openapi.ts';
import { assertMay, type Demand, withRule } from './rules.ts';

/**
 * The one thing that stands before the handler of an API route: demands `Authorization: Bearer` of at least its role (401
 * without, 403 below), refuses query parameters where there are none (400), puts the route into the OpenAPI document and keeps the rule for the tests that walk the router.
 */
export const route = (operation: Operation & Demand) => {
  const guard = createMiddleware<HttpEnv>(async (c, next) => {
    const actor = await authenticate(c);
    assertMay(actor, operation);
    // A `dryRun` that was put there and passed over would be no dry run.
    if (operation.query === undefined && new URL(c.req.url).search !== '')
      throw new AppError('bad_request', 'This takes no query parameters');
    c.set('actor', actor);
    await next();
  });
  const { role, scope, changes } = operation;
  return withRule(Object.assign(guard, describe(operation)), {
    door: 'bearer',
    role,
    scope,
    ...(changes !== undefined && { changes }),
  });
};
