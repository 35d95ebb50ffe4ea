import { Hono } from 'hono';
import { AppError } from '../../errors.ts';
import type { HttpEnv } from '../env.ts';
import { page as signedInPage } from '../sessions.ts';
import { assetRoutes } from './assets.ts';
import { pageHeaders } from './headers.ts';
import { liveRoutes } from './live.ts';
import { errorPage } from './page.tsx';

/** Every page of the console, its two files and its stream. Mount it before what else lives under `/console`. */
export const consoleRoutes = () => {
  const pages = new Hono<HttpEnv>();
  pages.onError(errorPage);
  pages.route('/', liveRoutes());
  return new Hono<HttpEnv>().use('/console/*', pageHeaders).route('/', assetRoutes()).route('/', pages);
};
