# Build: docker build -t notafter .      Run: see compose.yaml, or
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -e DATABASE_URL_FILE=… -e CERT_ADMIN_TOKENS_FILE=… notafter serve
# The image holds no database: DATABASE_URL is needed.
FROM node:24-bookworm-slim AS build
WORKDIR /app
# What changes least comes first, so that a change of the sources installs nothing again.
COPY package.json package-lock.json .npmrc ./
COPY scripts ./scripts
RUN node scripts/setup.mjs deps
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN node scripts/setup.mjs build

FROM node:24-bookworm-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY scripts/setup ./scripts/setup
# The optional packages are the embedded database, which a container has no use for.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
RUN node scripts/setup/amend.mjs

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title=notafter org.opencontainers.image.licenses=Apache-2.0
# Probes judge chains by the system's roots, which the slim image does not have. Nothing installs packages at run time.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/* /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
  && mkdir /data && chown 1000:1000 /data
WORKDIR /app
COPY package.json ./
COPY drizzle ./drizzle
COPY --from=modules /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# /data is written only by what keeps generated tokens or spools; serve and work run without it.
# What is short-lived needs no more room than this (docs/operations.md, Memory).
ENV NODE_ENV=production NODE_OPTIONS=--max-semi-space-size=32 NOTAFTER_DATA_DIR=/data CERT_METRICS_PORT=9465
# The user `node` of the base image, as a number so that a platform can see that it is not root.
USER 1000:1000
EXPOSE 8080 9465
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.CERT_METRICS_PORT + '/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli.js"]
CMD ["all"]
