import { type Context, Hono } from 'hono';
import { linkTo } from '../base-path.ts';
import type { HttpEnv } from '../env.ts';
import { headerOf } from '../header.ts';
import { openToAll } from '../rules.ts';
import { assetRoutes } from './assets.ts';
import { pageHeaders } from './headers.ts';
import { liveRoutes } from './live.ts';
import { errorPage } from './page.tsx';
import { accessPages } from './routes/access.tsx';
import { auditPages } from './routes/audit.tsx';
import { deadLetterPages } from './routes/dead-letters.tsx';
import { domainPages } from './routes/domain.tsx';
import { domainListPages } from './routes/domains.tsx';
import { eventPages } from './routes/events.tsx';
import { incidentPages } from './routes/incidents.tsx';
import { notificationRequeuePages } from './routes/notification-requeue.tsx';
import { notificationPages } from './routes/notifications.tsx';
import { overviewPages } from './routes/overview.tsx';
import { regionPages } from './routes/regions.tsx';
import { replayPages } from './routes/replays.tsx';
import { searchPages } from './routes/search.tsx';
import { settingsPages } from './routes/settings.tsx';
import { sourcePages } from './routes/sources.tsx';

const toConsole = (c: Context<HttpEnv>) =>
  (headerOf(c, 'accept') ?? '').includes('text/html') ? c.redirect(linkTo(c, '/console'), 303) : c.notFound();

/** Answers `/`: browsers are led to the console. */
export const frontDoor = openToAll(toConsole, 'It leads browsers to the console');

/** Every page of the console, its two files and its stream; each room of it brings its own routes. */
export const consoleRoutes = () => {
  const pages = new Hono<HttpEnv>();
  pages.onError(errorPage);
  pages.route('/', liveRoutes());
  pages.route('/', overviewPages());
  pages.route('/', domainListPages());
  pages.route('/', domainPages());
  pages.route('/', regionPages());
  pages.route('/', searchPages());
  pages.route('/', eventPages());
  pages.route('/', deadLetterPages());
  pages.route('/', replayPages());
  pages.route('/', notificationRequeuePages());
  pages.route('/', notificationPages());
  pages.route('/', incidentPages());
  pages.route('/', sourcePages());
  pages.route('/', auditPages());
  pages.route('/', accessPages());
  pages.route('/', settingsPages());
  return new Hono<HttpEnv>().use('/console/*', pageHeaders).route('/', assetRoutes()).route('/', pages);
};
