import { appRoutes } from '@bull-board/api/dist/routes.js';
import type { Role } from '../lifecycle/access.ts';

/** Who may ask for something of Bull Board. */
export interface BoardRule {
  /** What is done, as the audit log names it; null for looking. */
  readonly what: string | null;
  /** The least role; null for nobody. */
  readonly role: Role | null;
  /** The states of jobs it may be done to; all where it is left out. */
  readonly states?: readonly string[];
}

const look: BoardRule = { what: null, role: 'viewer' };
const change = (what: string, role: Role, states?: readonly string[]): BoardRule => ({
  what,
  role,
  ...(states !== undefined && { states }),
});

/**
 * What is let through, by method and path of the package's own list; what is not named here is for nobody. Schedules, limits
 * and job data come from the program, so that no role may change them, nor add jobs.
 */
const allowed: Readonly<Record<string, BoardRule>> = {
  'get /api/redis/stats': look,
  'get /api/queues': look,
  'get /api/job-schedulers': look,
  'get /api/queues/:queueName/metrics': look,
  'get /api/queues/:queueName/default-job-options': look,
  'get /api/queues/:queueName/workers': look,
  'get /api/queues/:queueName/rate-limit': look,
  'get /api/queues/:queueName/job-data-schema': look,
  'get /api/queues/:queueName/:jobId/logs': look,
  'get /api/queues/:queueName/:jobId/flow': look,
  'get /api/queues/:queueName/:jobId': look,
  'put /api/queues/:queueName/:jobId/retry': change('retry', 'operator'),
  'put /api/queues/:queueName/retry/:queueStatus': change('retry all', 'operator', ['failed']),
  'put /api/queues/:queueName/:jobId/promote': change('promote', 'operator'),
  'put /api/queues/:queueName/promote': change('promote all', 'operator'),
  'put /api/queues/:queueName/:jobId/clean': change('remove', 'admin'),
  'put /api/queues/:queueName/clean/:queueStatus': change('clean', 'admin', [
    'completed',
    'failed',
    'delayed',
    'wait',
    'waiting',
  ]),
  'put /api/queues/:queueName/empty': change('empty', 'admin'),
  'put /api/queues/:queueName/pause': change('pause', 'admin'),
  'put /api/queues/:queueName/resume': change('resume', 'admin'),
  'put /api/queues/pause': change('pause all', 'admin'),
  'put /api/queues/resume': change('resume all', 'admin'),
  'put /api/queues/:queueName/obliterate': change('obliterate', 'admin'),
};

/** A route of the package and who may use it. */
export interface BoardRoute {
  readonly method: string;
  /** Below the board's own address, with `:parameters`. */
  readonly path: string;
  readonly rule: BoardRule;
}

const many = <T>(one: T | readonly T[]): readonly T[] => (Array.isArray(one) ? one : [one as T]);

const lastWord = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Every route that the package serves, in its own order, each with its rule. */
export const boardRoutes: readonly BoardRoute[] = [
  { method: 'get', path: '/static/*', rule: look },
  ...many(appRoutes.entryPoint.route).map((path) => ({ method: 'get', path, rule: look })),
  ...appRoutes.api.flatMap((route) =>
    many(route.method).flatMap((method) =>
      many(route.route).map((path) => ({
        method,
        path,
        rule: allowed[`${method} ${path}`] ?? { what: method === 'get' ? null : lastWord(path), role: null },
      })),
    ),
  ),
];
