/** RFC 9457 problem as the API sends it. */
interface ProblemBody {
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  errors?: { field: string; message: string; code: string }[];
}

/** A request that the API refused, or that never reached it (`status` 0). */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly errors: { field: string; message: string; code: string }[];

  constructor(status: number, body: ProblemBody) {
    super(body.detail ?? body.title ?? "");
    this.name = "ApiProblem";
    this.status = status;
    this.code = body.code ?? "";
    this.errors = body.errors ?? [];
  }

  /** Nobody is signed in: DRF says 403 where it has no challenge to send. */
  get signedOut(): boolean {
    return this.status === 401 || (this.status === 403 && this.code === "not_authenticated");
  }

  /** What the API says about one field, if anything. */
  field(name: string): string | undefined {
    return this.errors.find((error) => error.field === name)?.message;
  }
}
