#!/bin/sh
# deploy-package.sh PACKAGE.zip BUILD APP…: the same package to each app. BUILD is true where Azure installs requirements.txt
# (as azd does), false where the package holds .python_packages already (as the workflows build it). Also how one rolls back.
case ${1:-} in /*) package=$1 ;; *) package=$PWD/${1:-} ;; esac
. "$(dirname "$0")/common.sh"

need az
want AZURE_RESOURCE_GROUP
[ $# -ge 3 ] || die "usage: deploy-package.sh PACKAGE.zip true|false APP…"
build=$2
shift 2
[ -f "$package" ] || die "there is no $package"
for app in "$@"; do
  say "deploying $(basename "$package") to $app"
  az functionapp deployment source config-zip --resource-group "$AZURE_RESOURCE_GROUP" --name "$app" --src "$package" \
    --build-remote "$build" --output none
done
