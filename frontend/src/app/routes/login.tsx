import { useQuery } from "@tanstack/react-query";
import { Navigate, useLocation, useNavigate } from "react-router";

import { SignIn } from "@/features/registry/sign-in";
import { meQuery } from "@/lib/api/queries";

export default function Login() {
  const navigate = useNavigate();
  const state = useLocation().state as { from?: string } | null;
  const { data: me } = useQuery(meQuery);
  const target = state?.from ?? "/";
  if (me) return <Navigate to={target} replace />;
  return <SignIn onDone={() => void navigate(target, { replace: true })} />;
}
