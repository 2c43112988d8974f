import createClient, { type Middleware } from "openapi-fetch";

import { ApiProblem } from "./problem";
import type { paths } from "./schema";

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** The value of Django's CSRF cookie, or an empty string before it is set. */
export function csrfToken(cookie: string): string {
  return /(?:^|;\s*)csrftoken=([^;]*)/.exec(cookie)?.[1] ?? "";
}

const csrf: Middleware = {
  async onRequest({ request }) {
    if (SAFE_METHODS.has(request.method)) return undefined;
    if (csrfToken(document.cookie) === "") await fetch("/api/v1/csrf", { credentials: "same-origin" });
    request.headers.set("X-CSRFToken", csrfToken(document.cookie));
    return request;
  },
};

export const api = createClient<paths>({
  baseUrl: window.location.origin,
  credentials: "same-origin",
  fetch: (request) => globalThis.fetch(request),
});
api.use(csrf);

interface Result<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of an answer; throws {@link ApiProblem} when it is refused or never arrives. */
export async function unwrap<T>(request: Promise<Result<T>>): Promise<Exclude<T, undefined>> {
  let result: Result<T>;
  try {
    result = await request;
  } catch (cause) {
    throw Object.assign(new ApiProblem(0, { code: "unreachable" }), { cause });
  }
  if (!result.response.ok) {
    const { error } = result;
    throw new ApiProblem(result.response.status, typeof error === "object" && error !== null ? error : {});
  }
  return result.data as Exclude<T, undefined>;
}
