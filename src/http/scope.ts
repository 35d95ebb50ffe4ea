import type { Context } from 'hono';
import { AppError } from '../errors.ts';
import type { HttpEnv } from './env.ts';

/** What an actor of one organisation is told that reaches for another. */
export const otherOrg = 'Your access is bound to another organisation';

/**
 * The organisation that a list is narrowed to: the one asked for, or the actor's own.
 *
 * @throws AppError `forbidden` when an actor of one organisation asks for another.
 */
export const orgOf = (c: Context<HttpEnv>, asked: string | undefined): string | undefined => {
  const own = c.var.actor.orgId;
  if (own === null) return asked;
  if (asked === undefined || asked === own) return own;
  throw new AppError('forbidden', otherOrg);
};

/** Whether the actor may see a thing of this organisation. */
export const sees = (c: Context<HttpEnv>, { org_id }: { readonly org_id: string | null }): boolean => {
  const own = c.var.actor.orgId;
  return own === null || own === org_id;
};

/** A row that was found; null as well where it belongs to an organisation that the actor has nothing to do with. */
export const visible = <T extends { readonly org_id: string | null }>(c: Context<HttpEnv>, row: T | null): T | null =>
  row !== null && sees(c, row) ? row : null;
