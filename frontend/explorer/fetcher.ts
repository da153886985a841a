import type { Fetcher, FetcherParams, FetcherOpts } from '@graphiql/toolkit';
import { type ExecutionResult, getOperationAST, type GraphQLError, parse } from 'graphql';
import { createClient, NetworkError } from 'graphql-sse';

/**
 * The address of the GraphQL endpoint: given relative to the page, so that one
 * build serves every organization's host and the path form (T1).
 */
export function endpoint(): string {
  const meta = document.querySelector<HTMLMetaElement>('meta[name="sluice-endpoint"]');
  return new URL(meta?.content ?? '../../graphql', document.baseURI).href;
}

/**
 * The value of an Authorization header for what somebody pasted: a bare token,
 * "Bearer …", or the whole header line. Undefined for nothing, which leaves
 * authentication to the console's session, if there is one.
 */
export function authorization(pasted: string): string | undefined {
  const value = pasted.trim().replace(/^authorization\s*:\s*/i, '');
  if (value === '') return undefined;
  return /^[a-z-]+\s/i.test(value) ? value : `Bearer ${value}`;
}

/**
 * Sends operations to the endpoint, subscriptions as server-sent events.
 * Headers from the editor win over the token field.
 */
export function createFetcher(url: string, token: string): Fetcher {
  const auth = authorization(token);
  return (params: FetcherParams, opts?: FetcherOpts) => {
    const headers: Record<string, string> = { ...(auth && { authorization: auth }), ...lowerCased(opts?.headers) };
    return isSubscription(params) ? subscribe(url, headers, params) : post(url, headers, params);
  };
}

function lowerCased(headers: FetcherOpts['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]));
}

function isSubscription({ query, operationName }: FetcherParams): boolean {
  try {
    return getOperationAST(parse(query), operationName)?.operation === 'subscription';
  } catch {
    return false; // the server says better what is wrong with the document
  }
}

async function post(url: string, headers: Record<string, string>, params: FetcherParams) {
  const response = await fetch(url, {
    method: 'POST',
    credentials: 'same-origin',
    headers: { accept: 'application/graphql-response+json, application/json', 'content-type': 'application/json', ...headers },
    body: JSON.stringify(params),
  });
  return answer(response);
}

/** The server's GraphQL answer, or one that says what came instead. */
async function answer(response: Response): Promise<ExecutionResult> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return failure(`${response.status} ${response.statusText}: ${text.slice(0, 2000) || 'no content'}`);
  }
}

function failure(message: string): ExecutionResult {
  return { errors: [{ message } as GraphQLError] };
}

async function* subscribe(url: string, headers: Record<string, string>, params: FetcherParams) {
  const client = createClient({ url, headers, credentials: 'same-origin', retryAttempts: 0 });
  try {
    yield* client.iterate({ query: params.query, operationName: params.operationName ?? undefined, variables: params.variables });
  } catch (error) {
    const response = error instanceof NetworkError ? (error.response as Response | undefined) : undefined;
    if (response && !response.bodyUsed) yield await answer(response);
    else yield failure(error instanceof Error ? error.message : JSON.stringify(error));
  }
}
