import type { Child, FC, PropsWithChildren } from 'hono/jsx';
import { includesRole, type Role } from '../../../lifecycle/access.ts';
import { displayText } from '../../../lifecycle/display-text.ts';
import { assets } from '../assets.ts';
import { count } from '../format.ts';
import { href, useView } from '../view.ts';
import { Icon, type IconName, Sprite } from './icons.tsx';
import { Count, Tag } from './state.tsx';
import { Link, Time } from './text.tsx';

/** Numbers beside the names in the side list; undefined or 0 shows none. */
export interface NavCounts {
  readonly domains?: number;
  readonly deadLetters?: number;
  readonly deadNotifications?: number;
  readonly openIncidents?: number;
  readonly silentSources?: number;
}

interface Entry {
  readonly to: string;
  readonly text: string;
  readonly icon: IconName;
  readonly count?: (counts: NavCounts) => number | undefined;
  /** The count is of harm that is not undone. */
  readonly harm?: boolean;
  /** Spans organisations: not shown to whoever is bound to one. */
  readonly all?: boolean;
  /** Least role that may see it. */
  readonly needs?: Role;
}

const entries: readonly (readonly Entry[])[] = [
  [
    { to: '', text: 'Overview', icon: 'overview' },
    { to: 'domains', text: 'Domains', icon: 'domains', count: ({ domains }) => domains },
    { to: 'events', text: 'Events', icon: 'events' },
    { to: 'dead-letters', text: 'Dead letters', icon: 'dead', count: ({ deadLetters }) => deadLetters, harm: true },
    {
      to: 'notifications',
      text: 'Notifications',
      icon: 'bell',
      count: (counts) => counts.deadNotifications,
      harm: true,
    },
    { to: 'incidents', text: 'Incidents', icon: 'incident', count: ({ openIncidents }) => openIncidents },
  ],
  [
    {
      to: 'sources',
      text: 'Sources',
      icon: 'source',
      count: ({ silentSources }) => silentSources,
      harm: true,
      all: true,
    },
    { to: 'regions', text: 'Regions', icon: 'region' },
    { to: 'audit', text: 'Audit', icon: 'audit', needs: 'operator' },
    { to: 'tokens', text: 'Tokens', icon: 'tokens', needs: 'admin' },
    { to: 'settings', text: 'Settings', icon: 'settings', all: true },
    { to: 'bull-board', text: 'Bull Board', icon: 'ext', all: true },
  ],
];

const isCurrent = (to: string, path: string): boolean => {
  const own = `/console${to === '' ? '' : `/${to}`}`;
  return path === own || path === `${own}/` || (to !== '' && path.startsWith(`${own}/`));
};

const NavEntry: FC<{ entry: Entry; counts: NavCounts }> = ({ entry, counts }) => {
  const { path } = useView();
  const n = entry.count?.(counts) ?? 0;
  return (
    <li>
      <Link to={entry.to} current={isCurrent(entry.to, path)}>
        <Icon name={entry.icon} />
        {entry.text}
        {n > 0 && <Count bad={entry.harm === true}>{count(n)}</Count>}
      </Link>
    </li>
  );
};

const Who: FC = () => {
  const view = useView();
  const { name, role, orgId } = view.actor;
  return (
    <div class="who">
      <strong>{name}</strong>
      {role}, {orgId ?? 'all organisations'}
      <br />
      <Link to="account">Account</Link> ·{' '}
      <form method="post" action={href(view, 'logout')}>
        <button class="link-button" type="submit">
          Sign out
        </button>
      </form>
    </div>
  );
};

const Side: FC<{ counts: NavCounts; env: string }> = ({ counts, env }) => {
  const { actor } = useView();
  const shown = ({ all = false, needs = 'viewer' }: Entry): boolean =>
    (!all || actor.orgId === null) && includesRole(actor.role, needs);
  return (
    <header class="side">
      <Link to="" class="brand">
        <Icon name="mark" />
        notafter
        <Tag>{env}</Tag>
      </Link>
      <button class="btn menu-button" type="button" popovertarget="nav">
        <Icon name="menu" />
        Menu
      </button>
      <nav class="nav" id="nav" popover="auto" aria-label="Main">
        {entries.map((group) => (
          <ul>
            {group.filter(shown).map((entry) => (
              <NavEntry entry={entry} counts={counts} />
            ))}
          </ul>
        ))}
        <Who />
      </nav>
    </header>
  );
};

const Top: FC = () => {
  const view = useView();
  const typed = view.path === '/console/search' ? (view.query.get('q') ?? '') : undefined;
  return (
    <div class="top">
      <form class="search" role="search" action={href(view, 'search')} method="get">
        <label class="sr" for="q">
          Search domains, events, fingerprints
        </label>
        <Icon name="search" />
        <input class="field" id="q" name="q" type="search" value={typed} placeholder="Domain, event id, fingerprint" />
        {view.preferences.keys && <kbd aria-hidden="true">/</kbd>}
      </form>
      <p class="live" {...(view.follows && { id: 'live', 'data-since': view.now })} data-state="off">
        <span class="dot" aria-hidden="true" />
        <span>
          <span id="live-text">As of</span> <Time at={view.now} />
        </span>
        <span>· times in {view.preferences.zone}</span>
      </p>
    </div>
  );
};

interface HeadProps {
  readonly title: Child;
  /** Links above the title, from the list down: `<Link to="domains">Domains</Link>`. */
  readonly crumb?: Child;
  /** One sentence with the totals. */
  readonly about?: Child;
  /** Marks beside the title. */
  readonly marks?: Child;
  readonly actions?: Child;
}

/** The head of a page: where it is, its one h1, what it holds, what can be done. */
export const Head: FC<HeadProps> = ({ title, crumb, about, marks, actions }) => (
  <div class="head" id="head" data-live="any">
    <div>
      {crumb !== undefined && <p class="crumb">{crumb}</p>}
      <h1>{title}</h1>
      {about !== undefined && <p>{about}</p>}
    </div>
    {marks}
    {actions !== undefined && <div class="actions">{actions}</div>}
  </div>
);

interface DocumentProps {
  /** Text of the browser's tab, verdict first; ` · notafter` is added. */
  readonly title: string;
}

/** The document around anything: head, style sheet, script, sprite. */
export const Document: FC<PropsWithChildren<DocumentProps>> = ({ title, children }) => {
  const { base, preferences } = useView();
  const { style, script } = assets();
  const { theme, density } = preferences;
  return (
    <html
      lang="en"
      data-theme={theme === 'system' ? undefined : theme}
      data-density={density === 'system' ? undefined : density}
      data-base={base}
      data-zone={preferences.zone}
      data-keys={preferences.keys ? 'on' : 'off'}
    >
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{displayText(title, 200)} · notafter</title>
        <link rel="icon" href={`${base}/console/assets/${assets().icon.name}`} type="image/svg+xml" />
        <link rel="stylesheet" href={`${base}/console/assets/${style.name}`} />
        <script src={`${base}/console/assets/${script.name}`} type="module" />
      </head>
      <body>
        <Sprite />
        {children}
      </body>
    </html>
  );
};

interface FrameProps extends DocumentProps {
  readonly counts: NavCounts;
  /** CERT_DEPLOYMENT_ENV, shown beside the name. */
  readonly env: string;
}

/** A page within the console: side list, top bar, content. */
export const Frame: FC<PropsWithChildren<FrameProps>> = ({ title, counts, env, children }) => (
  <Document title={title}>
    <a class="skip" href="#main">
      Skip to content
    </a>
    <div class="shell">
      <Side counts={counts} env={env} />
      <main class="main" id="main" tabindex={-1}>
        <Top />
        {children}
        <p class="sr" role="status" id="announce" />
      </main>
    </div>
  </Document>
);
