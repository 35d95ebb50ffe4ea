import { html } from 'hono/html';
import { type Child, createContext, useContext } from 'hono/jsx';
import type { Actor } from '../env.ts';
import type { Preferences } from './preferences.ts';

/** What every part of a page can ask: who looks, when, from where, and how they like it. */
export interface View {
  readonly actor: Actor;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Path under which the program is reached, without a slash at its end; empty for none. */
  readonly base: string;
  /** Path of this page without the base, as `/console/domains`. */
  readonly path: string;
  /** Query of this page, as it came. */
  readonly query: URLSearchParams;
  readonly preferences: Preferences;
  readonly requestId: string | null;
  /** Whether the address of this page gives this page: the answer to a form is not there to be asked for again. */
  readonly follows: boolean;
}

const ViewContext = createContext<View | null>(null);

/** Gives its children the view; `page` does this for whole pages, tests for single parts. */
export const ViewProvider = ViewContext.Provider;

/** The view of the page that is being rendered. Parts are rendered at once, never asynchronously, so that it is theirs. */
export const useView = (): View => {
  const view = useContext(ViewContext);
  if (view === null) throw new Error('a part of the console is rendered outside a page');
  return view;
};

/** Parameters of an address; those that are null, undefined or empty are left out. */
export type Params = Readonly<Record<string, string | number | null | undefined>>;

/** The address of a page of the console, `to` without `/console/`: `href(view, 'domains', {status: 'expiring'})`. */
export const href = ({ base }: Pick<View, 'base'>, to: string, params: Params = {}): string => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return `${base}/console${to === '' ? '' : `/${to}`}${text === '' ? '' : `?${text}`}`;
};

/** This page's address with some parameters changed, and without its place in the list. */
export const samePage = (view: View, changes: Params): string => {
  const kept = Object.fromEntries(view.query);
  delete kept.cursor;
  return href(view, view.path.replace(/^\/console\/?/, ''), { ...kept, ...changes });
};

/** The markup of a tree of parts. @throws when one of them is asynchronous: it would be rendered in the view of another page. */
export const markupOf = (tree: Child): string => {
  const text = html`${tree}`;
  if (text instanceof Promise) throw new Error('a part of the console is asynchronous: read its data before');
  return text.toString();
};
