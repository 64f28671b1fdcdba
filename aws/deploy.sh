#!/bin/sh
# Creates or updates the site in the AWS account of the shell's credentials, and prints what to
# write into the settings of the CI:
#
#     aws/deploy.sh [PARAMETER=VALUE ...]
#
# The parameters are those of site.yaml; an update keeps those that are not given. The region and
# the names are those of .travis.yml. For private images, DOCKER_ID and DOCKER_PASSWORD have a login
# that may pull them. Needs the AWS CLI.
set -eu
cd "$(dirname "$0")/.."

# The CLI would ignore it.
for parameter; do
    grep --quiet "^  ${parameter%%=*}:" aws/site.yaml || {
        echo "aws/deploy.sh: site.yaml has no parameter ${parameter%%=*}" >&2
        exit 1
    }
done

setting() { sed -n "s/^  $1: //p" .travis.yml; }
stack=$(setting app)
AWS_DEFAULT_REGION=$(setting region)
AWS_REGION=$AWS_DEFAULT_REGION
# No pager, which version 2 of the CLI opens for output of its own.
AWS_PAGER=
export AWS_DEFAULT_REGION AWS_REGION AWS_PAGER

# An update brings the newest version of the platform, too.
platform=$(aws elasticbeanstalk list-platform-versions --output text \
    --filters '[{"Type": "PlatformBranchName", "Operator": "=",
                 "Values": ["ECS running on 64bit Amazon Linux 2023"]},
                {"Type": "PlatformLifecycleState", "Operator": "=", "Values": ["recommended"]}]' \
    --query 'PlatformSummaryList[0].PlatformArn')

echo "The first time takes about 20 minutes. The stack $stack in the console of CloudFormation" \
    "shows how far it is."
aws cloudformation deploy --stack-name "$stack" --template-file aws/site.yaml \
    --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset --parameter-overrides \
    Application="$stack" Environment="$(setting env)" PlatformArn="$platform" "$@"

output() {
    aws cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}
url=$(output Url) bucket=$(output Bucket) key=$(output AccessKey)
secret=$(aws secretsmanager get-secret-value --secret-id "$(output SecretKey)" --output text \
    --query SecretString)

dockercfg_bucket=
if [ -n "${DOCKER_PASSWORD:-}" ]; then
    file=$(mktemp)
    trap 'rm "$file"' EXIT
    ./deploy.sh dockercfg > "$file"
    aws s3api put-object --bucket "$bucket" --key .dockercfg --body "$file" > /dev/null
    dockercfg_bucket=$bucket
fi

cat << END

The site is $url
Until the CI has deployed for the first time, it shows a sample.

Settings of the CI, besides DOCKER_ID and DOCKER_PASSWORD of a login that may push the images:

AWS_ACCESS_KEY=$key
AWS_SECRET_KEY=$secret
AWS_BUCKET=$bucket
SITE_URL=$url
END
if [ -n "$dockercfg_bucket" ]; then echo "DOCKERCFG_BUCKET=$dockercfg_bucket"; fi
