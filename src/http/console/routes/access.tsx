import { type Context, Hono } from 'hono';
import { setCookie } from 'hono/cookie';
import * as v from 'valibot';
import { findToken } from '../../../db/access-tokens.ts';
import { inTransaction } from '../../../db/in-transaction.ts';
import { listSessions, type SessionFilter } from '../../../db/sessions.ts';
import { AppError } from '../../../errors.ts';
import { noteChange } from '../../audited.ts';
import type { HttpEnv } from '../../env.ts';
import { filterText, idOfCursor, pathId, strictQuery } from '../../filters.ts';
import { readForm } from '../../form.ts';
import { check, encodeCursor } from '../../input.ts';
import { orgOf, visible } from '../../scope.ts';
import { closeSessions, idleMsOf, page } from '../../sessions.ts';
import { createToken, newToken, revoke, shownToken, tokensFor } from '../../tokens.ts';
import { answerPage, seeOther } from '../page.tsx';
import { AccountPage } from '../pages/account.tsx';
import { SessionsPage } from '../pages/sessions.tsx';
import { MadeTokenPage, NewTokenPage, RevokeTokenPage } from '../pages/token-sheets.tsx';
import { TokensPage } from '../pages/tokens.tsx';
import { densities, isZone, preferencesCookie, preferencesText, themes } from '../preferences.ts';
import { readFilters } from '../query.ts';
import { givenReason } from '../reason.ts';

const size = 50;
const yearSeconds = 365 * 86_400;
const listQuery = strictQuery({ cursor: v.optional(filterText(200)) });
const accountQuery = strictQuery({ saved: v.optional(v.literal('1', 'must be 1')) });

const tokens = async (c: Context<HttpEnv>) => {
  const { cursor } = readFilters(c, listQuery);
  const { next, ...found } = await tokensFor(c, { limit: size, before: idOfCursor(cursor) });
  return answerPage(
    c,
    { title: 'Tokens' },
    <TokensPage {...found} size={size} next={next === null ? null : encodeCursor(next)} />,
  );
};

const create = async (c: Context<HttpEnv>) => {
  const form = await readForm(c);
  const days = form.get('days') ?? '';
  const { token, row } = await createToken(
    c,
    check(newToken, {
      name: form.get('name') ?? '',
      role: form.get('role') ?? '',
      orgId: form.get('orgId')?.trim() || null,
      days: days === '' ? null : Number(days),
    }),
  );
  // Shown by the answer itself: an address would keep it.
  return answerPage(c, { title: 'Copy the token now' }, <MadeTokenPage {...{ token, row }} />);
};

const askRevoke = async (c: Context<HttpEnv>) => {
  const { db, now } = c.var.ctx;
  const token = visible(c, await findToken(db, pathId(c)));
  if (token === null) throw new AppError('not_found', 'There is no token with this id');
  return answerPage(c, { title: `Revoke ${token.name}` }, <RevokeTokenPage token={shownToken(token, now())} />);
};

const doRevoke = async (c: Context<HttpEnv>) => {
  const reason = givenReason(await readForm(c));
  await revoke(c, { id: pathId(c), reason });
  return seeOther(c, 'tokens');
};

/** The sessions that are the caller's own: of the same name, opened the same way. */
const ownSessions = (c: Context<HttpEnv>): SessionFilter => {
  const { actor, session } = c.var;
  return { actor: actor.name, orgId: actor.orgId, via: session?.via };
};

const endable = (c: Context<HttpEnv>): SessionFilter =>
  c.var.actor.role === 'admin' ? { orgId: orgOf(c, undefined) } : ownSessions(c);

const at = (c: Context<HttpEnv>) => ({ now: c.var.ctx.now(), idleMs: idleMsOf(c) });

const sessions = async (c: Context<HttpEnv>) => {
  readFilters(c, strictQuery({}));
  const rows = await listSessions(c.var.ctx.db, endable(c), at(c));
  return answerPage(c, { title: 'Sessions' }, <SessionsPage rows={rows} own={c.var.session?.id ?? null} />);
};

const endSession = async (c: Context<HttpEnv>) => {
  const back = (await readForm(c)).get('back') === 'account' ? 'account' : 'sessions';
  const [ended] = await closeSessions(c, { ...endable(c), id: pathId(c) });
  if (ended === undefined) throw new AppError('not_found', 'There is no open session with this id');
  return seeOther(c, back);
};

const account = async (c: Context<HttpEnv>) => {
  const { saved } = readFilters(c, accountQuery);
  const rows = await listSessions(c.var.ctx.db, ownSessions(c), at(c));
  const zones = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')];
  return answerPage(
    c,
    { title: 'Account' },
    <AccountPage sessions={rows} own={c.var.session ?? null} zones={zones} saved={saved === '1'} />,
  );
};

const look = v.strictObject(
  {
    theme: v.picklist(themes, `must be one of ${themes.join(', ')}`),
    density: v.picklist(densities, `must be one of ${densities.join(', ')}`),
    zone: v.pipe(v.string(), v.maxLength(64, 'must be a time zone'), v.check(isZone, 'must be a time zone')),
    keys: v.optional(v.literal('on', 'must be on'), undefined),
  },
  'is not a known field',
);

const saveLook = async (c: Context<HttpEnv>) => {
  const { keys, ...chosen } = check(look, Object.fromEntries(await readForm(c)));
  const preferences = { ...chosen, keys: keys === 'on' };
  const { actor, ctx } = c.var;
  const object = { type: 'account', id: actor.name };
  await inTransaction(ctx.db, (db) =>
    noteChange(c, db, { action: 'account.change', object, orgId: actor.orgId, after: preferences }),
  );
  setCookie(c, preferencesCookie, preferencesText(preferences), {
    path: '/',
    httpOnly: true,
    secure: true,
    sameSite: 'Lax',
    maxAge: yearSeconds,
  });
  return seeOther(c, 'account?saved=1');
};

const admin = { role: 'admin', scope: 'org' } as const;
const anybody = { role: 'viewer', scope: 'org' } as const;

/** Who gets in: tokens, sessions, and one's own account. */
export const accessPages = () =>
  new Hono<HttpEnv>()
    .get('/console/tokens', page(admin), tokens)
    .post('/console/tokens', page({ ...admin, changes: 'token.create' }), create)
    .get('/console/tokens/new', page(admin), (c) => answerPage(c, { title: 'New token' }, <NewTokenPage />))
    .get('/console/tokens/:id/revoke', page(admin), askRevoke)
    .post('/console/tokens/:id/revoke', page({ ...admin, changes: 'token.revoke' }), doRevoke)
    .get('/console/sessions', page(anybody), sessions)
    .post('/console/sessions/:id/end', page({ ...anybody, changes: 'session.end' }), endSession)
    .get('/console/account', page(anybody), account)
    .post('/console/account', page({ ...anybody, changes: 'account.change' }), saveLook);
