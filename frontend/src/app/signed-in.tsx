import { useQuery } from "@tanstack/react-query";
import { Navigate, Outlet, useLocation } from "react-router";

import { Failure } from "@/components/failure";
import { meQuery } from "@/lib/api/queries";

/** Lets members through; others sign in first and come back. */
export function SignedIn() {
  const { data: me, error, refetch } = useQuery(meQuery);
  const { pathname } = useLocation();
  if (error) return <Failure error={error} retry={() => void refetch()} />;
  if (me === undefined) return null;
  if (me === null) return <Navigate to="/login" state={{ from: pathname }} replace />;
  return <Outlet />;
}
