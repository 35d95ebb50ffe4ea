import type { Context, Hono } from 'hono';
import { findTargetHandler } from 'hono/utils/handler';
import { AppError } from '../errors.ts';
import { includesRole, type Role } from '../lifecycle/access.ts';
import type { AuditAction } from '../lifecycle/audit.ts';
import type { Actor, HttpEnv } from './env.ts';

/** What a route asks of its caller, and what it does. */
export interface Demand {
  /** The least role (viewer < operator < admin). */
  readonly role: Role;
  /** `org`: an actor of one organisation sees and changes only that one's things; `all`: such an actor is refused. */
  readonly scope: 'org' | 'all';
  /** What the audit log will say of it; every route that changes something has one. */
  readonly changes?: AuditAction | readonly AuditAction[];
}

/** A route's demand and how it learns who calls; `open` ones are for everybody, for a reason. */
export type Rule =
  | (Demand & { readonly door: 'bearer' | 'session' })
  | { readonly door: 'open'; readonly why: string; readonly changes?: Demand['changes'] };

const rules = new WeakMap<object, Rule>();

/** Keeps the rule that a handler or middleware enforces, for {@link rulesOf}. */
export const withRule = <H extends object>(handler: H, rule: Rule): H => {
  rules.set(handler, rule);
  return handler;
};

/** Marks a handler that answers everybody, and says why it may. */
export const openToAll = <H extends object>(handler: H, why: string, changes?: Demand['changes']): H =>
  withRule(handler, { door: 'open', why, ...(changes !== undefined && { changes }) });

/** A way into the app: a method, a path pattern, and the rules on the way to its handler. */
export interface Door {
  readonly method: string;
  readonly path: string;
  readonly rules: readonly Rule[];
}

/** The path of a route with its parameters filled in. */
export const samplePath = (pattern: string, value: (name: string) => string = () => 'x'): string =>
  pattern.replaceAll(/\/:(\w+)(?:\{[^}]*\})?\??/g, (_, name: string) => `/${value(name)}`).replaceAll('*', 'x');

/** Every method and path of an app with the rules that stand before it, read from the router itself. */
export const rulesOf = (app: Hono<HttpEnv>): Door[] => {
  // Middleware for a whole subtree is on the way to routes, and no route.
  const routes = app.routes.filter(({ method, path }) => method !== 'ALL' || !path.endsWith('*'));
  const doors = new Map(routes.map(({ method, path }) => [`${method} ${path}`, { method, path }]));
  return [...doors.values()].map(({ method, path }) => {
    const [matched] = app.router.match(method === 'ALL' ? 'POST' : method, samplePath(path));
    const found = matched.flatMap(([[handler]]) => rules.get(findTargetHandler(handler)) ?? []);
    return { method, path, rules: found };
  });
};

/** @throws AppError `forbidden` when the actor's role is too low, or it is bound to one organisation and the route is not. */
export const assertMay = (actor: Actor, { role, scope }: Demand): void => {
  if (!includesRole(actor.role, role)) throw new AppError('forbidden', `This needs the role ${role}`);
  if (scope === 'all' && actor.orgId !== null)
    throw new AppError('forbidden', 'This spans organisations, and your access is bound to one');
};

/** Whether the caller may do what a demand guards; for what a page offers. */
export const may = (c: Context<HttpEnv>, { role, scope }: Demand): boolean => {
  const { actor } = c.var;
  return includesRole(actor.role, role) && (scope === 'org' || actor.orgId === null);
};
